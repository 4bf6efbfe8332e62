"""`python -m tests [PATH ...]`: all tests but those of the images and most examples, in two processes side by side.

Tests that share the whole cluster run beside all others: both halves spend much of their time waiting. What the first
half says is printed when both have ended.
"""

import subprocess
import sys
import tempfile
from typing import IO

NO_TESTS = 5
DEFAULT = "not images and not examples"


def main() -> int:
    """Run both halves and return the first exit code that is not good."""
    paths = sys.argv[1:] or ["tests"]
    with tempfile.TemporaryFile("w+") as output:
        on_node = _start(f"node and {DEFAULT}", paths, output)
        others = _start(f"not node and {DEFAULT}", paths, None)
        codes = [others.wait(), on_node.wait()]
        output.seek(0)
        print(output.read(), end="", flush=True)
    if codes == [NO_TESTS, NO_TESTS]:
        return NO_TESTS
    return next((code for code in codes if code not in (0, NO_TESTS)), 0)


def _start(expression: str, paths: list[str], output: IO[str] | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "-m", expression, "--durations=10", *paths]
    return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT if output else None)


if __name__ == "__main__":
    sys.exit(main())
