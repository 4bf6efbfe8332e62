"""The cross-entropy of many tokens in bounded memory: vocabularies are large, and float32 copies of logits larger."""

from collections.abc import Iterator
from typing import Any

from finetune_trainer.tasks.recipe import EvaluationPlan, Row
from finetune_trainer.tasks.text.batching import by_length

IGNORED = -100
"""Label of a token that does not count towards the loss; the value that PyTorch's cross-entropy skips."""
LOGITS_BYTES = 2**30
"""What the logits of one forward pass may take in an evaluation, unless a single row takes more."""
CHUNK_TOKENS = 1024


def logit_batches(rows: list[Row], model: Any, plan: EvaluationPlan) -> Iterator[list[int]]:
    """Yield the rows' indices in batches of the plan's size, fewer where their logits would take too much memory."""
    token_bytes = model.config.get_text_config().vocab_size * model.dtype.itemsize
    return by_length(rows, plan.batch_size, LOGITS_BYTES // token_bytes)


def token_losses(logits: Any, labels: Any) -> Any:
    """Return the cross-entropy of each label in nats, 0 where it does not count: float64 [rows, tokens].

    logits: [rows, tokens, vocabulary], of any number format. labels: [rows, tokens].
    """
    import torch
    from torch.nn.functional import cross_entropy

    losses = torch.zeros(labels.shape, dtype=torch.float64, device=logits.device)
    for places in (labels != IGNORED).nonzero().split(CHUNK_TOKENS):
        chosen = places.unbind(1)
        losses[chosen] = cross_entropy(logits[chosen].float(), labels[chosen], reduction="none").double()
    return losses
