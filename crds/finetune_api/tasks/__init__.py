"""The tasks: their names, and the options of each in a file of its own."""

from enum import StrEnum

from finetune_api.tasks.causal_lm import CausalLMOptions
from finetune_api.tasks.dpo import DPOOptions
from finetune_api.tasks.grpo import GRPOOptions
from finetune_api.tasks.kto import KTOOptions
from finetune_api.tasks.options import TaskOptions
from finetune_api.tasks.orpo import ORPOOptions
from finetune_api.tasks.ppo import PPOOptions
from finetune_api.tasks.reward import RewardOptions
from finetune_api.tasks.rloo import RLOOOptions
from finetune_api.tasks.seq2seq import Seq2SeqOptions
from finetune_api.tasks.sequence_classification import SequenceClassificationOptions
from finetune_api.tasks.sft import SFTOptions
from finetune_api.tasks.token_classification import TokenClassificationOptions


class Task(StrEnum):
    """What the model learns to do."""

    SEQUENCE_CLASSIFICATION = "SequenceClassification"
    TOKEN_CLASSIFICATION = "TokenClassification"
    CAUSAL_LM = "CausalLM"
    SFT = "SFT"
    SEQ2SEQ = "Seq2Seq"
    REWARD = "Reward"
    DPO = "DPO"
    ORPO = "ORPO"
    KTO = "KTO"
    PPO = "PPO"
    GRPO = "GRPO"
    RLOO = "RLOO"

    @property
    def member(self) -> str:
        """The attribute of the spec that holds this task's options, and the module of its recipe: causal_lm."""
        return self.name.lower()

    @property
    def block(self) -> str:
        """The same as manifests spell it: the task's name in lower camel case, causalLM."""
        return self.value.lower() if self.value.isupper() else self.value[0].lower() + self.value[1:]


OPTIONS: dict[Task, type[TaskOptions]] = {
    Task.SEQUENCE_CLASSIFICATION: SequenceClassificationOptions,
    Task.TOKEN_CLASSIFICATION: TokenClassificationOptions,
    Task.CAUSAL_LM: CausalLMOptions,
    Task.SFT: SFTOptions,
    Task.SEQ2SEQ: Seq2SeqOptions,
    Task.REWARD: RewardOptions,
    Task.DPO: DPOOptions,
    Task.ORPO: ORPOOptions,
    Task.KTO: KTOOptions,
    Task.PPO: PPOOptions,
    Task.GRPO: GRPOOptions,
    Task.RLOO: RLOOOptions,
}

__all__ = ["OPTIONS", "Task", "TaskOptions"]
