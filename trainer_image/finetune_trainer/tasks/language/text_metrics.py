"""Figures of written texts against wanted ones, by rouge-score and sacrebleu."""

from collections.abc import Sequence
from statistics import fmean

ROUGE = ("rouge1", "rouge2", "rougeL")


def text_metrics(outputs: Sequence[str], targets: Sequence[str]) -> dict[str, float]:
    """Compare each output with the target at the same place.

    ROUGE (F1, 0 to 1, over lower-case words of Latin letters and digits) and exact_match are means over the rows; bleu
    (0 to 100, sacrebleu's, over words of any script) is of all rows together.
    """
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    scorer = RougeScorer(list(ROUGE))
    scores = [scorer.score(target, output) for output, target in zip(outputs, targets, strict=True)]
    return {
        **{name: fmean(score[name].fmeasure for score in scores) for name in ROUGE},
        "bleu": float(corpus_bleu(list(outputs), [list(targets)]).score),
        "exact_match": fmean(output.strip() == target.strip() for output, target in zip(outputs, targets, strict=True)),
    }
