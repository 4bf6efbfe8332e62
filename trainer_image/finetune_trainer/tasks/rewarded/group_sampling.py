"""What GRPO and RLOO have in common: TRL's trainers over groups of completions, with the job's rewards."""

from collections.abc import Callable
from typing import Any, cast

from finetune_api.handoff import RunRequest
from finetune_api.tasks.group_sampling import GroupSamplingOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.chats.prompts import Turns
from finetune_trainer.tasks.recipe import TrainerParts
from finetune_trainer.tasks.rewarded.policy import PolicyRecipe, refuse_too_few
from finetune_trainer.tasks.rewarded.reward_functions import Answers
from finetune_trainer.tasks.rewarded.rewards import RewardPart


class GroupRecipe(PolicyRecipe):
    """Tasks that sample several completions of each prompt and learn from those that are better than the others."""

    def __init__(self, request: RunRequest) -> None:
        self.sampling = cast(GroupSamplingOptions, request.options)
        super().__init__(request, self.sampling.max_completion_length)

    def trainer_of(self, trainer_class: Any, config_class: Any, parts: TrainerParts, beta: float, **own: Any) -> Any:
        """Return TRL's trainer, which asks the job's rewards what completions are worth. Raises BadSpec, BadData."""
        from finetune_trainer.tasks.preference.preference_trainers import forget_reference_adapter, still_model
        from finetune_trainer.tasks.rewarded.rollout_callbacks import OrderByEpoch, SaveBetweenRollouts

        adapter = self.request.tuning.adapter
        if beta and adapter is not None and adapter.changes_base:
            raise BadSpec(
                f"initLoraWeights {adapter.init_lora_weights} takes the base model apart, from which beta above 0"
                " measures the divergence; use default, gaussian or orthogonal, or beta 0",
                "spec.tuning",
            )
        self._check_groups(parts)
        rewards, seed = self.rewards(parts.models, parts.device), self.request.training.seed
        trainer = trainer_class(
            model=still_model(parts.loaded.model),
            reward_funcs=[_as_trl_wants(part) for part in rewards.parts],
            args=config_class(**self._arguments(parts), reward_weights=rewards.weights, beta=beta, **own),
            train_dataset=parts.rows,
            processing_class=parts.loaded.tokenizer,
            callbacks=[
                *parts.callbacks,
                SaveBetweenRollouts(self.sampling.num_iterations),
                OrderByEpoch(lambda epoch, loader: _sampler_of(loader).generator.manual_seed(seed + epoch)),
            ],
        )
        forget_reference_adapter(parts.loaded.model)
        return trainer

    def _check_groups(self, parts: TrainerParts) -> None:
        """Raise BadSpec if a step's completions are no whole groups, BadData if there are fewer prompts than groups."""
        completions = parts.arguments["per_device_train_batch_size"] * parts.arguments["gradient_accumulation_steps"]
        group = self.sampling.num_generations
        if completions % group:
            raise BadSpec(
                f"a step has {completions} completions (batchSize x gradientAccumulationSteps), which is no multiple"
                f" of numGenerations, {group}; change one of the three",
                f"spec.{self.request.task.block}.numGenerations",
            )
        refuse_too_few(len(parts.rows), completions // group)

    def _arguments(self, parts: TrainerParts) -> dict[str, Any]:
        options = self.sampling
        return {
            **parts.arguments,
            "include_num_input_tokens_seen": "no",  # TRL counts them itself
            "dataloader_num_workers": 0,
            "num_generations": options.num_generations,
            "max_completion_length": options.max_completion_length,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "num_iterations": options.num_iterations,
            "epsilon": options.epsilon,
            "disable_dropout": True,
        }


def _sampler_of(loader: Any) -> Any:
    """Return TRL's sampler, which may lie within several batch samplers."""
    batches = loader.batch_sampler
    while not hasattr(batches, "sampler"):
        batches = batches.batch_sampler
    return batches.sampler


def _as_trl_wants(part: RewardPart) -> Callable[..., list[float]]:
    def reward(
        prompts: list[Turns], completions: list[Any], answers: list[Answers] | None = None, **_others: Any
    ) -> list[float]:
        texts = [text if isinstance(text, str) else str(text[0]["content"]) for text in completions]
        return part.score(prompts, texts, answers or [{}] * len(texts))

    reward.__name__ = part.name
    return reward
