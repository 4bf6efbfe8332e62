"""Options of task SFT."""

from pydantic import Field

from finetune_api.tasks.options import TaskOptions


class SFTOptions(TaskOptions):
    """Options of task SFT (supervised fine-tuning of a causal language model)."""

    completion_only_loss: bool = Field(
        True,
        description="For prompt/completion data: compute the loss on the completion only. Chat messages are always"
        " learnt whole.",
    )
