"""How often each label is taught and judged, and what to warn of."""

from collections import Counter

from finetune_trainer.data.rows import StoredRows
from finetune_trainer.records import Labels

LABEL_COLUMNS = ("label", "tags")
"""Where the tasks' plain rows hold what is counted for the balance of labels."""
SHOWN_LABELS = 5
UNLABELLED = "-1"
OUTSIDE, INSIDE = "O", "I-"
"""Tags of words that say nothing of whether an entity occurs."""


def label_counts(rows: StoredRows) -> dict[str, int]:
    """Return how often each label (or tag, or mark) is taught; none for tasks without, and for numbers."""
    column = next((name for name in LABEL_COLUMNS if isinstance(rows[0].get(name), str | bool | list)), None)
    counts: Counter[str] = Counter()
    for row in rows if column else ():
        value = row[column or ""]
        counts.update(value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else value])
    return dict(sorted(counts.items()))


def balance_warnings(labels: Labels, taught: dict[str, int], judged: dict[str, dict[str, int]]) -> list[str]:
    """Return what to warn of: labels that no row teaches, or by which none is judged, and a label that may be none.

    `taught` are the training rows' counts, `judged` those of the parts evaluation and test.
    """
    expected = [label for label in labels or taught if label != OUTSIDE and not label.startswith(INSIDE)]
    warnings = []
    untaught = [label for label in expected if not taught.get(label)]
    if untaught:
        warnings.append(f"spec.dataset.train: no row to learn from has {_named(untaught)}")
    for part, counts in judged.items():
        unjudged = [label for label in expected if not counts.get(label)]
        if unjudged:
            warnings.append(
                f"spec.dataset.{part}: no row has {_named(unjudged)}; the figures do not tell how well that is learnt"
            )
    if UNLABELLED in expected:
        warnings.append(
            f"spec.dataset.train: {UNLABELLED} is learnt as a label, in {taught.get(UNLABELLED, 0)} rows; if it means"
            f" that a row has none, leave these out by spec.dataset.filter: operator NotIn, values ['{UNLABELLED}']"
        )
    return warnings


def _named(labels: list[str]) -> str:
    more = f" and {len(labels) - SHOWN_LABELS} more" if len(labels) > SHOWN_LABELS else ""
    return f"the label{'s' if len(labels) > 1 else ''} {', '.join(labels[:SHOWN_LABELS])}{more}"
