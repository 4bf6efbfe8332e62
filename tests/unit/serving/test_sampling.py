"""How the next token is drawn."""

import pytest
import torch

from finetune_trainer.serving.engines.sampling import Sampling, logits_processors

CPU = torch.device("cpu")
SCORES = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
DRAWS = 4000


def _draw(sampling: Sampling, count: int = DRAWS) -> list[int]:
    processors = logits_processors(sampling, CPU)
    prompt = torch.zeros((1, 1), dtype=torch.long)
    return [int(processors(prompt, SCORES.clone()).argmax()) for _ in range(count)]


def _shares(drawn: list[int]) -> list[float]:
    return [drawn.count(token) / len(drawn) for token in range(4)]


def test_draws_follow_the_softmax():
    assert _shares(_draw(Sampling(1, seed=1))) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_temperature_sharpens():
    expected = torch.softmax(SCORES[0] / 0.5, dim=-1).tolist()
    assert _shares(_draw(Sampling(1, temperature=0.5, seed=1))) == pytest.approx(expected, abs=0.03)


def test_top_p_drops_the_unlikely_tail():
    assert set(_draw(Sampling(1, top_p=0.7, seed=1), 500)) == {0, 1}


def test_temperature_zero_takes_the_likeliest():
    assert set(_draw(Sampling(1, temperature=0), 20)) == {0}


def test_a_seed_repeats_and_no_seed_varies_without_touching_the_global_generator():
    before = torch.get_rng_state()
    assert _draw(Sampling(1, seed=5), 50) == _draw(Sampling(1, seed=5), 50)
    assert _draw(Sampling(1), 50) != _draw(Sampling(1), 50)
    assert torch.equal(before, torch.get_rng_state())
