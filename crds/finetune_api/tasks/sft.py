"""Options of task SFT."""

from typing import ClassVar

from pydantic import Field

from finetune_api.schema import Rule
from finetune_api.tasks.options import TaskOptions


class SFTOptions(TaskOptions):
    """Options of task SFT (supervised fine-tuning of a causal language model)."""

    writes_text: ClassVar[bool] = True
    may_pack: ClassVar[bool] = True
    # TRL's SFT script, with and without adapters; epochs as Stanford Alpaca.
    learning_rate: ClassVar[float] = 2e-5
    adapter_learning_rate: ClassVar[float] = 2e-4
    epochs: ClassVar[float] = 3.0

    rules = (
        Rule(
            "!has(self.chatTemplate) || self.chatTemplate.contains('messages')",
            "is no chat template: expected Jinja that goes through messages, as"
            " {% for message in messages %}...{% endfor %}",
            field_path=".chatTemplate",
        ),
    )

    completion_only_loss: bool = Field(
        True, description="For prompt/completion data: compute the loss on the completion only."
    )
    assistant_only_loss: bool = Field(
        False,
        description="For chats: compute the loss on the assistant's turns only, on all of them. Otherwise chats are"
        " learnt whole.",
    )
    chat_template: str | None = Field(
        None,
        min_length=1,
        max_length=32768,
        description="Jinja template that spells chats, published with the tokenizer. Turns should end with eos_token."
        " Default: the model's own.",
    )
