"""What a training depends on: the blocks that the resource and the job file share."""

from collections.abc import Iterable

from pydantic import Field

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.schema import ApiModel, Rule
from finetune_api.spec.dataset import DatasetSpec
from finetune_api.spec.evaluation import EvaluationSpec
from finetune_api.spec.model import ModelSpec
from finetune_api.spec.training import TrainingSpec
from finetune_api.spec.tuning import TuningSpec
from finetune_api.tasks import OPTIONS, Task, TaskOptions
from finetune_api.tasks.causal_lm import CausalLMOptions
from finetune_api.tasks.dpo import DPOOptions
from finetune_api.tasks.grpo import GRPOOptions
from finetune_api.tasks.kto import KTOOptions
from finetune_api.tasks.orpo import ORPOOptions
from finetune_api.tasks.ppo import PPOOptions
from finetune_api.tasks.reward import RewardOptions
from finetune_api.tasks.rloo import RLOOOptions
from finetune_api.tasks.seq2seq import Seq2SeqOptions
from finetune_api.tasks.sequence_classification import SequenceClassificationOptions
from finetune_api.tasks.sft import SFTOptions
from finetune_api.tasks.token_classification import TokenClassificationOptions


def only_for_tasks(tasks: Iterable[Task], field: str) -> Rule:
    """Return the rule that a field of the spec, such as `evaluation.samplePrompts`, is set for some tasks only."""
    names = [task.value for task in tasks]
    parents = [f"has(self.{part})" for part in _prefixes(field)]
    unset = " || ".join(f"!{parent}" for parent in parents)
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return Rule(
        f"self.task in {names} || {unset}",
        f"is only for task {listed}; remove it or set spec.task: {listed}",
        field_path=f".{field}",
        reason="FieldValueForbidden",
    )


def _prefixes(field: str) -> list[str]:
    parts = field.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


class TrainingInputs(ApiModel):
    """Model, task, data and loop: what decides the weights that come out."""

    rules = (
        *(only_for_tasks([task], task.block) for task in Task),
        *(rule for task in Task for rule in OPTIONS[task].spec_rules(task.value, task.block)),
    )

    model: ModelSpec = Field(description="The base model.")
    task: Task = Field(description="What the model learns to do.")
    sequence_classification: SequenceClassificationOptions | None = Field(
        None, description="Options of task SequenceClassification."
    )
    token_classification: TokenClassificationOptions | None = Field(
        None, description="Options of task TokenClassification."
    )
    causal_lm: CausalLMOptions | None = Field(None, alias="causalLM", description="Options of task CausalLM.")
    sft: SFTOptions | None = Field(None, description="Options of task SFT.")
    seq2seq: Seq2SeqOptions | None = Field(None, alias="seq2Seq", description="Options of task Seq2Seq.")
    reward: RewardOptions | None = Field(None, description="Options of task Reward.")
    dpo: DPOOptions | None = Field(None, description="Options of task DPO.")
    orpo: ORPOOptions | None = Field(None, description="Options of task ORPO.")
    kto: KTOOptions | None = Field(None, description="Options of task KTO.")
    ppo: PPOOptions | None = Field(None, description="Options of task PPO.")
    grpo: GRPOOptions | None = Field(None, description="Options of task GRPO.")
    rloo: RLOOOptions | None = Field(None, description="Options of task RLOO.")
    tuning: TuningSpec = Field(default=TuningSpec(), description="Which weights learn.")
    dataset: DatasetSpec = Field(description="The data.")
    training: TrainingSpec = Field(default=TrainingSpec(), description="The training loop.")
    evaluation: EvaluationSpec = Field(default=EvaluationSpec(), description="How the tuned model is judged.")

    @property
    def options(self) -> TaskOptions:
        """The options of the chosen task, or their defaults."""
        chosen: TaskOptions | None = getattr(self, self.task.member)
        return chosen or OPTIONS[self.task]()

    @property
    def resolved_training(self) -> TrainingSpec:
        """The training loop with the task's own learning rate and epochs where the spec names none."""
        options, training = type(self.options), self.training
        rate = options.learning_rate if self.tuning.adapter is None else options.adapter_learning_rate
        epochs = None if training.max_steps else training.epochs or options.epochs
        return training.model_copy(update={"learning_rate": training.learning_rate or rate, "epochs": epochs})

    @property
    def models(self) -> dict[str, tuple[str, ModelSpec]]:
        """All models that are read, by name (a file name): the block of the spec that names each, and it."""
        others = self.options.other_models()
        block = f"spec.{self.task.block}"
        return {
            "model": ("spec.model", self.model),
            **{name: (f"{block}.{field}", model) for name, (field, model) in others.items()},
        }

    @property
    def training_code(self) -> dict[str, tuple[str, ConfigMapKeyRef]]:
        """The user's own code that the run is trained by, as in `code`."""
        block = f"spec.{self.task.block}"
        return {name: (f"{block}.{field}", place) for name, (field, place) in self.options.code().items()}

    @property
    def code(self) -> dict[str, tuple[str, ConfigMapKeyRef]]:
        """The user's own code in ConfigMaps, by name (a file name): the field that names it, and where."""
        metrics = {
            metric.code_name: (metric.code_field, metric.config_map_key_ref)
            for metric in self.evaluation.metrics or ()
            if metric.config_map_key_ref
        }
        return {**self.training_code, **metrics}

    @property
    def code_fields(self) -> list[str]:
        """The fields that name code of the user's own, wherever it lies."""
        metrics = [metric.code_field for metric in self.evaluation.metrics or ()]
        return [*(field for field, _ in self.training_code.values()), *metrics]
