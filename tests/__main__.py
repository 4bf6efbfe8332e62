"""`python -m tests [--all] [PATH ...]`: the tests, in parts side by side; without `--all`, not those marked `slow`.

The parts spend much of their time waiting, each for something else: for pods on a cluster, for controllers on an API
server, for trainings. What all but the last say is printed when all have ended. The last needs no cluster and fills
what time of the processors the others leave.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import IO

NO_TESTS = 5
LEFT_OUT = "not images and not ecosystem"
TWO_WORKERS = ("--numprocesses", "2", "--dist", "loadfile")
IN_FRONT = ("not cluster and not node", *TWO_WORKERS)
API_SERVER = ("cluster and not node", *TWO_WORKERS)
NODES = [("node and not stories",), ("node and stories", "--node-name", "test-stories")]
ONE_NODE = [("node",)]


def main() -> int:
    """Run the parts and return the first exit code that is not good."""
    parser = argparse.ArgumentParser(prog="python -m tests", description="Run the tests in parts side by side.")
    parser.add_argument("--all", action="store_true", help="run those marked slow as well")
    parser.add_argument("paths", nargs="*", default=["tests"], help="files and folders, default: tests")
    args = parser.parse_args()
    left_out = LEFT_OUT if args.all else f"{LEFT_OUT} and not slow"
    behind = [*(ONE_NODE if os.environ.get("KUBECONFIG") else NODES), API_SERVER]
    with ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in behind]
        started = [_start(part, left_out, args.paths, output) for part, output in zip(behind, outputs, strict=True)]
        codes = [process.wait() for process in (_start(IN_FRONT, left_out, args.paths, None), *started)]
        for output in outputs:
            output.seek(0)
            print(output.read(), end="", flush=True)
    if set(codes) == {NO_TESTS}:
        return NO_TESTS
    return next((code for code in codes if code not in (0, NO_TESTS)), 0)


def _start(part: tuple[str, ...], left_out: str, paths: list[str], output: IO[str] | None) -> subprocess.Popen[bytes]:
    """Start pytest on the tests of a part: its marker expression, and options of its own."""
    expression, *options = part
    command = [sys.executable, "-m", "pytest", "-m", f"({expression}) and {left_out}", "--durations=15"]
    stderr = subprocess.STDOUT if output else None
    polite = ["nice", "-n", "5"] if part is IN_FRONT else []
    return subprocess.Popen([*polite, *command, *options, *paths], stdout=output, stderr=stderr)


if __name__ == "__main__":
    sys.exit(main())
