"""`python -m deploy`: write, or with --check verify, base/install.yaml from the operator's chart."""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from crdgen.files import bring_up_to_date
from demo.install import CHART, NAMESPACE, RELEASE
from devcluster import binaries

BASE = Path(__file__).resolve().parent / "base"
HEADER = """\
# Generated from charts/finetune-operator by `python -m deploy`. Do not edit.
#
#   kubectl apply --server-side -f install.yaml
"""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
MANAGED_BY = "app.kubernetes.io/managed-by"
HELMS_PREFIX = "helm.sh/"
FLOAT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
MISREAD = re.compile(r"[-+]?[0-9][0-9._]*([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F]+|[yYnN]")
"""Words that Go's YAML takes for numbers or booleans and Python's, as it is, for text."""

Manifest = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Write install.yaml, or with --check report that it is out of date; 1 if it is."""
    parser = argparse.ArgumentParser(prog="deploy", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is out of date")
    parser.add_argument("--output", type=Path, default=BASE / "install.yaml", help="the file")
    options = parser.parse_args(arguments)
    files = {options.output: install_manifest()}
    return bring_up_to_date(files, check=options.check, command="python -m deploy")


def install_manifest() -> str:
    """Return the chart's objects and their namespace as one YAML text, without what only Helm reads."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
    found = [_without_helm(manifest) for manifest in yaml.load_all(_rendered(), Loader) if manifest]
    text: str = yaml.dump_all([namespace, *found], Dumper=_Dumper, sort_keys=False, width=120, explicit_start=True)
    return HEADER + text


def _rendered() -> str:
    """Return what Helm makes of the chart: no hooks, since nobody would run them, and the same for every cluster."""
    helm = binaries.build(lambda text: print(text, file=sys.stderr)) / "helm"
    release = ("template", RELEASE, CHART, "--namespace", NAMESPACE, "--no-hooks")
    command: tuple[str | Path, ...] = (helm, *release, "--kube-version", binaries.kubernetes_version())
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"the chart cannot be rendered: {done.stderr.strip()}")
    return done.stdout


def _without_helm(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_helm(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_helm(value) for key, value in node.items() if not _is_helms(key, value)}
    return {key: value for key, value in kept.items() if value != {} or node[key] == {}}


def _is_helms(key: Any, value: Any) -> bool:
    return str(key).startswith(HELMS_PREFIX) or (key, value) == (MANAGED_BY, "Helm")


class Loader(yaml.CSafeLoader):
    """Reads 1e-08 as a number, as Go does."""


Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+0123456789"))


class _Dumper(yaml.CSafeDumper):
    """Block style without anchors; text of several lines as it is, and words that Go would misread in quotes."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else '"' if MISREAD.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)

if __name__ == "__main__":
    sys.exit(main())
