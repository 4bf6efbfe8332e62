"""`python -m tests [PATH ...]`: all tests but those of the images and most examples, in three processes side by side.

The parts spend much of their time waiting, each for something else: for pods on the cluster that tests share, for
controllers on an API server, for trainings. What the first two say is printed when all have ended.
"""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import IO

NO_TESTS = 5
DEFAULT = "not images and not examples"
BEHIND = ("node", "cluster and not node")
IN_FRONT = "not cluster and not node"


def main() -> int:
    """Run the parts and return the first exit code that is not good."""
    paths = sys.argv[1:] or ["tests"]
    with ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in BEHIND]
        behind = [_start(part, paths, output) for part, output in zip(BEHIND, outputs, strict=True)]
        codes = [process.wait() for process in (_start(IN_FRONT, paths, None), *behind)]
        for output in outputs:
            output.seek(0)
            print(output.read(), end="", flush=True)
    if set(codes) == {NO_TESTS}:
        return NO_TESTS
    return next((code for code in codes if code not in (0, NO_TESTS)), 0)


def _start(part: str, paths: list[str], output: IO[str] | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "-m", f"({part}) and {DEFAULT}", "--durations=15", *paths]
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT if output else None)


if __name__ == "__main__":
    sys.exit(main())
