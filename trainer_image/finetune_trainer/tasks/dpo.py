"""Task DPO: a causal language model learns to prefer the chosen of two answers, held to a reference model."""

from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.dpo import DPOLossType, DPOOptions
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks.preference.preference_recipe import REFERENCE, PairRecipe, ReferenceLogps, second_model
from finetune_trainer.tasks.recipe import EvaluationPlan, Row, TrainerParts


class DPO(PairRecipe):
    """Rows are {prompt, chosen, rejected}."""

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._options = request.dpo or DPOOptions()
        self._reference = ReferenceLogps(request.training.seed)

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's DPOTrainer over rows that are encoded already."""
        from trl import DPOConfig

        from finetune_trainer.tasks.preference import preference_trainers

        options, model = self._options, preference_trainers.still_model(parts.loaded.model)
        also = {"sft": options.rpo_alpha} if options.rpo_alpha else {}
        arguments = DPOConfig(
            **parts.arguments,
            beta=options.beta,
            loss_type=[options.loss_type.value, *also],
            loss_weights=[1.0, *also.values()],
            label_smoothing=options.label_smoothing,
            precompute_ref_log_probs=options.precompute_reference_log_probs,
            max_length=None,
            disable_dropout=False,
        )
        trainer = preference_trainers.EncodedDPOTrainer(
            model=model,
            ref_model=self._second_model(parts),
            args=arguments,
            train_dataset=parts.rows,
            processing_class=parts.loaded.tokenizer,
            callbacks=parts.callbacks,
        )
        preference_trainers.forget_reference_adapter(model)
        if options.precompute_reference_log_probs:
            trainer.ref_model = None
        return trainer

    def measure(self, loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> dict[str, float]:
        """Return loss, preferences by likelihood alone, and TRL's implicit rewards against the reference."""
        from finetune_trainer.tasks.preference import preference_metrics

        beta, sequences = self._options.beta, preference_metrics.sequences_of(encoded, "chosen_ids", "rejected_ids")
        reference = preference_metrics.PairLogps(*self._reference.of(loaded, sequences, plan).chunk(2))
        logps = preference_metrics.PairLogps(*preference_metrics.answer_logps(loaded, sequences, plan).chunk(2))
        ratios = logps.minus(reference)
        return {
            **self._loss(ratios, preference_metrics.nll(logps.chosen, sequences[: len(encoded)])),
            **preference_metrics.pair_figures(encoded, logps),
            **preference_metrics.pair_rewards(ratios, beta),
        }

    def _second_model(self, parts: TrainerParts) -> Any:
        tuning, ahead = self.request.tuning, self._options.precompute_reference_log_probs
        if ahead and tuning.adapter is None and REFERENCE not in parts.models:
            return None  # The model is asked itself, before it learns anything.
        return second_model(parts, self.request)

    def _loss(self, ratios: Any, chosen_nll: float) -> dict[str, float]:
        """Return the loss where it is the paper's; the others are TRL's own, over training batches only."""
        from finetune_trainer.tasks.preference.preference_metrics import dpo_loss

        if self._options.loss_type is not DPOLossType.SIGMOID:
            return {}
        return {"loss": dpo_loss(ratios, self._options.beta) + (self._options.rpo_alpha or 0.0) * chosen_nll}
