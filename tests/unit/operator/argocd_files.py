"""Argo CD's customizations of a FineTuneJob: what is made from the Lua scripts and from the situations.

`make generate` writes the files anew. They lie as Argo CD's own repository has them.
"""

from pathlib import Path
from typing import Any

import yaml

from demo.install import CHART
from finetune_operator.kinds import Manifest
from tests.builders import merge
from tests.unit.operator.situations import SITUATIONS, Situation

FOLDER = Path(CHART) / "files" / "argocd"
SCRIPTS = FOLDER / "resource_customizations" / "finetune.dev" / "FineTuneJob"
CONFIG_MAP = FOLDER / "argocd-cm.yaml"
NOW = "2026-01-02T03:04:05Z"
EDITS = {
    "suspend": {"suspend": True},
    "resume": {"suspend": False},
    "retry": {"retry": NOW},
    "rerun": {"runId": "20260102-030405"},
}
"""What an action makes of the spec at that time."""
ACTIONS = {
    "training": ("suspend",),
    "suspended": ("resume",),
    "failed": ("retry", "rerun"),
    "served": ("rerun",),
    "next-run-beside-served": ("suspend",),
    "unseen": ("suspend",),
}
"""The actions that are offered, by situation."""
_SHOWN = ("observedGeneration", "phase", "reason", "message")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def files() -> dict[Path, str]:
    """Return what each generated file should hold."""
    data = {situation.name: _shown(situation) for situation in SITUATIONS}
    inputs = {SCRIPTS / "testdata" / f"{name}.yaml": resource for name, resource in data.items()}
    outputs = {
        SCRIPTS / "actions" / "testdata" / f"{name}-{action}.yaml": merge(data[name], {"spec": EDITS[action]})
        for name, actions in ACTIONS.items()
        for action in actions
    }
    tests = {
        SCRIPTS / "health_test.yaml": {"tests": [_health_test(situation) for situation in SITUATIONS]},
        SCRIPTS / "actions" / "action_test.yaml": _action_test(),
        CONFIG_MAP: _config_map(),
    }
    return {path: _dump(content) for path, content in (inputs | outputs | tests).items()}


def _shown(situation: Situation) -> Manifest:
    """Return what the scripts can be interested in, so that the files change only with it."""
    resource = situation.resource()
    status = {key: resource["status"][key] for key in _SHOWN if key in resource["status"]}
    conditions = resource["status"].get("conditions") or ()
    if conditions:
        status["conditions"] = [{key: found[key] for key in ("type", "status", "reason")} for found in conditions]
    return {**resource, "status": status}


def _health_test(situation: Situation) -> Manifest:
    status = situation.resource()["status"]
    message = situation.health_message or status["message"]
    path = f"testdata/{situation.name}.yaml"
    return {"healthStatus": {"status": situation.health, "message": message}, "inputPath": path}


def _action_test() -> Manifest:
    found = [(name, f"../testdata/{name}.yaml", actions) for name, actions in ACTIONS.items()]
    return {
        "discoveryTests": [
            {
                "inputPath": path,
                "result": [{"name": action, "disabled": action not in actions, **_look(action)} for action in EDITS],
            }
            for _, path, actions in found
        ],
        "actionTests": [
            {"action": action, "inputPath": path, "expectedOutputPath": f"testdata/{name}-{action}.yaml"}
            for name, path, actions in found
            for action in actions
        ],
    }


def _look(action: str) -> dict[str, str]:
    names = {"suspend": "Suspend", "resume": "Resume", "retry": "Go on where it failed", "rerun": "Train anew"}
    icons = {"suspend": "pause", "resume": "play", "retry": "redo", "rerun": "sync"}
    return {"displayName": names[action], "iconClass": f"fa fa-fw fa-{icons[action]}"}


def _config_map() -> Manifest:
    actions = {
        "discovery.lua": (SCRIPTS / "actions" / "discovery.lua").read_text(),
        "definitions": [
            {"name": action, "action.lua": (SCRIPTS / "actions" / action / "action.lua").read_text()}
            for action in EDITS
        ],
    }
    data = {
        "resource.customizations.health.finetune.dev_FineTuneJob": (SCRIPTS / "health.lua").read_text(),
        "resource.customizations.actions.finetune.dev_FineTuneJob": _dump(actions),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": data}


def _dump(content: Any) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def main() -> None:
    """Write the files, and remove those that are of no situation any more."""
    wanted = files()
    for path in generated() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def generated() -> set[Path]:
    """Return the generated files that are there."""
    return {*FOLDER.rglob("*.yaml")}


if __name__ == "__main__":
    main()
