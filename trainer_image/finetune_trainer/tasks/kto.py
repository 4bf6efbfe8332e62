"""Task KTO: a causal language model learns from answers that are each marked good or bad, held to the base model."""

from typing import Any

from finetune_api.handoff import RunRequest
from finetune_api.tasks.kto import KTOOptions
from finetune_trainer.errors import BadData, BadSpec
from finetune_trainer.models.loading import Loaded
from finetune_trainer.records import Labels
from finetune_trainer.tasks.preference.judged_rows import judged_row
from finetune_trainer.tasks.preference.preference_recipe import PreferenceRecipe, ReferenceLogps, second_model
from finetune_trainer.tasks.recipe import EvaluationPlan, Row, TrainerParts


class KTO(PreferenceRecipe):
    """Rows are {prompt, completion, label}, of which the label is true for a good answer."""

    answers = ("completion",)
    kept = ("label",)

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._options = request.kto or KTOOptions()
        self._reference = ReferenceLogps(request.training.seed)

    def parse_row(self, values: dict[str, Any], labels: Labels) -> Row:
        """Check one row: a prompt, an answer, as texts or as chats, and whether it is good."""
        del labels
        return judged_row(values, self.columns, self.template)

    def build_trainer(self, parts: TrainerParts) -> Any:
        """Return TRL's KTOTrainer over rows that are encoded already.

        Raises BadSpec for batches, and BadData for data, of one row.
        """
        from trl import KTOConfig

        from finetune_trainer.tasks.preference import preference_trainers

        batch_size = parts.arguments["per_device_train_batch_size"]
        if batch_size < 2:
            raise BadSpec(
                "task KTO compares the rows of a batch with each other and needs at least 2", "spec.training.batchSize"
            )
        if len(parts.rows) < 2:
            raise BadData("task KTO compares rows with each other and needs at least 2", "spec.dataset.train.source")
        options, model, tokenizer = self._options, parts.loaded.model, parts.loaded.tokenizer
        order = parts.arguments.get("train_sampling_strategy", "random")
        arguments = KTOConfig(
            **{**parts.arguments, "train_sampling_strategy": "sequential"},
            # A last batch of one row has no other to be compared with; another row falls to it in the next epoch.
            dataloader_drop_last=len(parts.rows) > batch_size and len(parts.rows) % batch_size == 1,
            beta=options.beta,
            desirable_weight=options.desirable_weight,
            undesirable_weight=options.undesirable_weight,
            max_length=None,
            disable_dropout=False,
        )
        trainer = preference_trainers.EncodedKTOTrainer(
            model=preference_trainers.still_model(model),
            ref_model=second_model(parts, self.request),
            args=arguments,
            data_collator=preference_trainers.RotatedAnswers(tokenizer.pad_token_id),
            train_dataset=parts.rows,
            processing_class=tokenizer,
            callbacks=parts.callbacks,
        )
        # TRL wants a fixed order since it would pair rows ahead; here each batch pairs its own.
        trainer.args.train_sampling_strategy = order
        preference_trainers.forget_reference_adapter(model)
        return trainer

    def measure(self, loaded: Loaded, encoded: list[Row], plan: EvaluationPlan) -> dict[str, float]:
        """Return loss, what is likelier by itself, and TRL's implicit rewards against the base model."""
        from finetune_trainer.tasks.preference import preference_metrics

        sequences = preference_metrics.judged_sequences(encoded)
        logps = preference_metrics.answer_logps(loaded, sequences, plan)
        ratios = logps - self._reference.of(loaded, sequences, plan)
        return {
            **preference_metrics.judged_rewards(ratios, encoded, self._options),
            **preference_metrics.judged_figures(logps[: len(encoded)], encoded),
        }
