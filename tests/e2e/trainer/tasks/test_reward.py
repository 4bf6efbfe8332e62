"""Task Reward: the losses of a plain loop, and a published model that scores as it was trained to."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.rewarded.reward_scoring import RewardModel
from tests.e2e.trainer.plain_loop import (
    GENTLE_LEARNING_RATE,
    LEARNING_RATE,
    expect_equal,
    plain_losses,
    seeded,
    trained_losses,
)
from tests.e2e.trainer.tiny_data import chat_pairs, pairs
from tests.e2e.trainer.trainer_process import Site

pytestmark = pytest.mark.e2e

CENTER = 0.02
CASES = {
    "texts for an encoder": ("encoder", "", LEARNING_RATE, pairs()),
    "texts for a decoder, with margins": (
        "decoder",
        "</s>",
        GENTLE_LEARNING_RATE,
        [row | {"margin": 0.5} for row in pairs()],
    ),
    "chats": ("decoder", "", GENTLE_LEARNING_RATE, chat_pairs()),
}


@pytest.mark.parametrize("case", CASES)
def test_has_the_losses_of_a_plain_loop_and_scores_as_trained(site: Site, case: str):
    kind, end, rate, rows = CASES[case]
    folder = site.volumes / "models" / kind
    texts = [_spelled(row, answer) + end for answer in ("chosen", "rejected") for row in rows]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(texts, padding=True, padding_side="right", return_tensors="pt", return_token_type_ids=False)
    margin = rows[0].get("margin", 0.0)

    def loss_of(logits: torch.Tensor) -> torch.Tensor:
        chosen, rejected = logits[: len(rows), 0], logits[len(rows) :, 0]
        ranking = torch.log(1 + torch.exp(rejected - chosen + margin)).mean()
        return ranking + CENTER * (chosen + rejected).square().mean()

    plain = plain_losses(seeded(lambda: _with_one_output(folder)), batch, loss_of, rate)
    losses = trained_losses(
        site,
        batches={"batchSize": 12, "learningRate": rate},
        task="Reward",
        reward={"centerRewardsCoefficient": CENTER},
        model={"source": f"pvc://models/{kind}"},
        dataset={
            "train": {"source": site.write("train.jsonl", rows)},
            "evaluation": {"source": site.write("e.jsonl", rows)},
        },
    )
    expect_equal(losses, plain)
    _check_published(site.published(), rows, batch, loss_of)


def _check_published(folder: Path, rows: list[dict[str, Any]], batch: Any, loss_of: Any) -> None:
    """The figures are those of the published weights over the same tokens, and so are the scores."""
    with torch.no_grad():
        logits = AutoModelForSequenceClassification.from_pretrained(folder)(**batch).logits
    rewards = logits[:, 0]
    chosen, rejected = rewards.chunk(2)
    report = json.loads((folder / "evaluation.json").read_text())
    assert report["evaluation"]["metrics"] == pytest.approx(
        {
            "loss": float(loss_of(logits)),
            "accuracy": float((chosen > rejected).float().mean()),
            "margin": float((chosen - rejected).mean()),
            "mean_reward": float(rewards.mean()),
            "min_reward": float(rewards.min()),
            "max_reward": float(rewards.max()),
        },
        abs=1e-5,
    )
    assert report["evaluation"]["metrics"]["margin"] > report["baseline"]["metrics"]["margin"]
    assert report["baseline"]["note"]
    prompts = [row["prompt"] if "prompt" in row else row["chosen"][:1] for row in rows]
    answers = [row["chosen"] if "prompt" in row else row["chosen"][1:] for row in rows]
    scores = RewardModel.load(folder, "cpu").score(prompts, answers)
    assert scores == pytest.approx(chosen.tolist(), abs=1e-5)


def test_a_model_without_a_head_is_no_reward_model(volumes: Path):
    with pytest.raises(BadSpec, match=r"no head with one output.*expected a reward model") as refused:
        RewardModel.load(volumes / "models/decoder", "cpu", field="spec.ppo.rewardModel.source")
    assert refused.value.field == "spec.ppo.rewardModel.source"


def _spelled(row: dict[str, Any], answer: str) -> str:
    if isinstance(row[answer], str):
        return str(row["prompt"] + row[answer])
    return "".join(f"<|{message['role']}|>{message['content']}</s>" for message in row[answer])


def _with_one_output(folder: Path) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    model.config.pad_token_id = 0
    return model
