"""Task ORPO: a causal language model learns the chosen of two answers and to prefer it, without a reference model."""

from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.orpo import ORPOOptions
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks.preference.preference_recipe import PairRecipe
from finetune_trainer.tasks.recipe import EvaluationPlan, Row, TrainerParts


class ORPO(PairRecipe):
    """Rows are {prompt, chosen, rejected}."""

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._beta = (request.orpo or ORPOOptions()).beta

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's ORPOTrainer over rows that are encoded already."""
        from trl.experimental.orpo import ORPOConfig

        from finetune_trainer.tasks.preference import preference_trainers

        tokenizer = parts.loaded.tokenizer
        return preference_trainers.EncodedORPOTrainer(
            model=preference_trainers.still_model(parts.loaded.model),
            args=ORPOConfig(**parts.arguments, beta=self._beta, disable_dropout=False),
            data_collator=preference_trainers.SeparateAnswers(tokenizer.pad_token_id),
            train_dataset=parts.rows,
            processing_class=tokenizer,
            callbacks=parts.callbacks,
        )

    def measure(self, loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> dict[str, float]:
        """Return loss, its two parts, and preferences by likelihood."""
        from finetune_trainer.tasks.preference import preference_metrics

        sequences = preference_metrics.sequences_of(encoded, "chosen_ids", "rejected_ids")
        logps = preference_metrics.PairLogps(*preference_metrics.answer_logps(loaded, sequences, plan).chunk(2))
        wholes = [(prompt[:1], prompt[1:] + answer) for prompt, answer in sequences[: len(encoded)]]
        nll = preference_metrics.nll(preference_metrics.answer_logps(loaded, wholes, plan), wholes)
        return {
            **preference_metrics.odds_ratio_figures(encoded, logps, nll, self._beta),
            **preference_metrics.pair_figures(encoded, logps),
        }
