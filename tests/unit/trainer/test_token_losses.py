"""Evaluations in bounded memory: losses of many tokens chunk by chunk, batches by the size of their logits."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import cross_entropy

from finetune_trainer.runtime.device import Device
from finetune_trainer.tasks.language import token_losses
from finetune_trainer.tasks.recipe import EvaluationPlan
from finetune_trainer.tasks.text.batching import by_length


@pytest.mark.parametrize("chunk", [1, 4, 1000])
def test_losses_are_the_same_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch, chunk: int):
    monkeypatch.setattr(token_losses, "CHUNK_TOKENS", chunk)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=generator)
    labels = torch.randint(0, 7, (3, 5), generator=generator)
    labels[0, 2:] = labels[1] = token_losses.IGNORED
    expected = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="none").view(3, 5)
    found = token_losses.token_losses(logits, labels)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected.double(), rtol=1e-6, atol=1e-6)
    assert not found[labels == token_losses.IGNORED].any()


def test_a_batch_has_fewer_rows_where_their_logits_would_take_too_much(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(token_losses, "LOGITS_BYTES", 12 * 100 * 4)
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=100))
    model, plan = SimpleNamespace(config=config, dtype=torch.float32), EvaluationPlan(Device("cpu", False), 4, 64)
    rows = [{"input_ids": [0] * length} for length in (2, 30, 6, 2, 6, 2, 2)]
    batches = list(token_losses.logit_batches(rows, model, plan))
    assert batches == [[1], [2, 4], [0, 3, 5, 6]]


def test_batches_without_a_bound_have_the_plans_size():
    rows = [{"input_ids": [0] * length} for length in (1, 3, 2)]
    assert list(by_length(rows, 2)) == [[1, 2], [0]]
