"""Take the pairs of examples/assistant-dpo apart: each answer becomes a row of its own, marked good or bad.

python examples/assistant-kto/judge_pairs.py
"""

import json
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent
PAIRS, JUDGED = EXAMPLES / "assistant-dpo/data", EXAMPLES / "assistant-kto/data"


def judged(pairs: str) -> str:
    """Return JSON lines {prompt, completion, label} for JSON lines {prompt, chosen, rejected}."""
    rows = [
        {"prompt": pair["prompt"], "completion": pair[answer], "label": answer == "chosen"}
        for pair in map(json.loads, pairs.splitlines())
        for answer in ("chosen", "rejected")
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Write the rows of both files."""
    for path in sorted(PAIRS.glob("*.jsonl")):
        (JUDGED / path.name).write_text(judged(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
