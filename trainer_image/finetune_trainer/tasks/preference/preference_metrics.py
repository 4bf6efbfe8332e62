"""How likely a model finds answers, and what that says about its preferences.

Sequences are (prompt, answer) in token ids. Log-probabilities are natural logarithms, of an answer given its prompt.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import logsigmoid

from finetune_api.tasks.kto import KTOOptions
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks.language.token_losses import IGNORED, logit_batches, token_losses
from finetune_trainer.tasks.recipe import EvaluationPlan

Sequence = tuple[list[int], list[int]]
Metrics = dict[str, float]


@dataclass(frozen=True)
class PairLogps:
    """Log-probabilities of the two answers of each pair: float64 [pairs], sums over their tokens."""

    chosen: torch.Tensor
    rejected: torch.Tensor

    def minus(self, other: "PairLogps") -> "PairLogps":
        """Return the log-ratios to another model's."""
        return PairLogps(self.chosen - other.chosen, self.rejected - other.rejected)


def answer_logps(loaded: Loaded, sequences: list[Sequence], plan: EvaluationPlan) -> torch.Tensor:
    """Return the log-probability of each answer, float64 [sequences], summed over its tokens.

    A first token without a prompt has none and counts as 0.
    """
    model, device = plan.device.place(loaded.model), plan.device.name
    rows = [{"input_ids": prompt + answer} for prompt, answer in sequences]
    sums = torch.zeros(len(rows), dtype=torch.float64)
    with torch.no_grad(), plan.device.autocast():
        for indices in logit_batches(rows, model, plan):
            ids, mask, labels = _padded([sequences[index] for index in indices], loaded.tokenizer.pad_token_id)
            logits = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits[:, :-1]
            sums[indices] = -token_losses(logits, labels[:, 1:].to(device)).sum(dim=1).cpu()
    return sums


def sequences_of(rows: list[dict[str, Any]], *answers: str) -> list[Sequence]:
    """Return the sequences of encoded rows: those with the first of the named answers, then those with the next."""
    return [(row["prompt_ids"], row[answer]) for answer in answers for row in rows]


def nll(logps: torch.Tensor, sequences: list[Sequence]) -> float:
    """Return the cross-entropy per token of answers with these log-probabilities."""
    return -float(logps.sum()) / sum(len(answer) for _, answer in sequences)


def pair_figures(pairs: list[dict[str, Any]], logps: PairLogps) -> Metrics:
    """Return what a model finds likelier by itself, per token, so that long and short answers compare."""
    chosen, rejected = per_token(logps.chosen, pairs, "chosen_ids"), per_token(logps.rejected, pairs, "rejected_ids")
    return {
        "logps_accuracy": _mean(chosen > rejected),
        "logps_margin": _mean(chosen - rejected),
        "logps_chosen": _mean(chosen),
        "logps_rejected": _mean(rejected),
    }


def pair_rewards(ratios: PairLogps, beta: float) -> Metrics:
    """Return TRL's figures of the implicit rewards, or nothing for a model that is the reference itself."""
    if not ratios.chosen.any() and not ratios.rejected.any():
        return {}
    return {
        "rewards_accuracies": _mean(ratios.chosen > ratios.rejected),
        "rewards_margins": beta * _mean(ratios.chosen - ratios.rejected),
        "rewards_chosen": beta * _mean(ratios.chosen),
        "rewards_rejected": beta * _mean(ratios.rejected),
    }


def dpo_loss(ratios: PairLogps, beta: float) -> float:
    """Return the mean loss of the DPO paper, TRL's `sigmoid`."""
    return -_mean(logsigmoid(beta * (ratios.chosen - ratios.rejected)))


def odds_ratio_figures(pairs: list[dict[str, Any]], logps: PairLogps, nll: float, beta: float) -> Metrics:
    """Return ORPO's loss and its two parts; `nll` is the cross-entropy of prompts with chosen answers, per token."""
    log_odds = [
        mean - torch.log1p(-torch.exp(mean))
        for mean in (per_token(logps.chosen, pairs, "chosen_ids"), per_token(logps.rejected, pairs, "rejected_ids"))
    ]
    ratio = _mean(logsigmoid(log_odds[0] - log_odds[1]))
    return {"loss": nll - beta * ratio, "nll_loss": nll, "log_odds_ratio": ratio}


def judged_figures(logps: torch.Tensor, rows: list[dict[str, Any]]) -> Metrics:
    """Return what a model finds likelier by itself, per token: answers that are marked good, or bad ones.

    `logps_roc_auc` is the chance that a good one is likelier than a bad one; it is left out where one kind is absent.
    """
    means, good = per_token(logps, rows, "completion_ids"), _marks(rows)
    chosen, rejected = _mean(means[good]), _mean(means[~good])
    figures = {"logps_margin": chosen - rejected, "logps_chosen": chosen, "logps_rejected": rejected}
    if good.all() or not good.any():
        return _defined(figures)
    return {"logps_roc_auc": float(roc_auc_score(good, means)), **figures}


def judged_sequences(rows: list[dict[str, Any]]) -> list[Sequence]:
    """Return the sequences of encoded rows, then their prompts with the answers of the rows before them."""
    others = [rows[-1], *rows[:-1]]
    mismatched = [(row["prompt_ids"], other["completion_ids"]) for row, other in zip(rows, others, strict=True)]
    return [*sequences_of(rows, "completion_ids"), *mismatched]


def judged_rewards(ratios: torch.Tensor, rows: list[dict[str, Any]], options: KTOOptions) -> Metrics:
    """Return KTO's loss, and TRL's figures of the implicit rewards unless the model is the reference itself.

    `ratios` are the log-ratios to the reference of `judged_sequences`. The divergence `kl` from the reference is
    estimated over all rows at once, by answers to other prompts.
    """
    own, mismatched = ratios.chunk(2)
    good, kl = _marks(rows), mismatched.mean().clamp(min=0)
    gains = torch.where(good, own - kl, kl - own)
    weights = torch.where(good, options.desirable_weight, options.undesirable_weight)
    loss = _mean(weights * (1 - torch.sigmoid(options.beta * gains)))
    if not ratios.any():
        return {"loss": loss}
    rewards = {"rewards_chosen": _mean(options.beta * own[good]), "rewards_rejected": _mean(options.beta * own[~good])}
    margin = rewards["rewards_chosen"] - rewards["rewards_rejected"]
    return {"loss": loss, **_defined({"rewards_margins": margin, **rewards, "kl": float(kl)})}


def per_token(sums: torch.Tensor, rows: list[dict[str, Any]], answer: str) -> torch.Tensor:
    """Return the means over the tokens of each row's answer."""
    return sums / torch.tensor([len(row[answer]) for row in rows])


def _marks(rows: list[dict[str, Any]]) -> torch.Tensor:
    return torch.tensor([row["label"] for row in rows])


def _defined(figures: Metrics) -> Metrics:
    """Return the figures without those that are means over no rows."""
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _mean(values: torch.Tensor) -> float:
    return float(values.double().mean())


def _padded(sequences: list[Sequence], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, attention mask and labels [sequences, tokens], filled up at the end; labels are of answers only."""
    width = max(len(prompt) + len(answer) for prompt, answer in sequences)
    ids = torch.full((len(sequences), width), pad)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, (prompt, answer) in enumerate(sequences):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        mask[row, :end] = 1
        labels[row, len(prompt) : end] = torch.tensor(answer)
    return ids, mask, labels
