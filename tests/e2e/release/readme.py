"""The commands of a chart's README, as a person copies them into a shell."""

import re
import subprocess
import sys
from pathlib import Path

from devcluster import Cluster

ROOT = Path(__file__).resolve().parents[3]


def commands(chart: str, heading: str, begin: str) -> list[str]:
    """Return the commands of a section that begin so, each with its continuation lines."""
    section = (ROOT / "charts" / chart / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    code = "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
    return [line for line in code.splitlines() if line.startswith(begin)]


def run(cluster: Cluster, command: str) -> None:
    """Run a line in a shell that has done `eval "$(python -m devcluster env)"`."""
    assert cluster.s3
    path = f"{Path(sys.executable).parent}:{cluster.env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**cluster.env, **cluster.s3.env, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
