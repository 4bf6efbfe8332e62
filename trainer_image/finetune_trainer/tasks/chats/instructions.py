"""Instructions in the words of a model: as a chat where it has a template, or else in a prompt that is stated here."""

from typing import Any

from finetune_trainer.data.problems import RowError, show

Message = dict[str, Any]
Asked = dict[str, Any]
"""An Instruction, as rows in plain form have it."""
INSTRUCTION, INPUT, RESPONSE = "### Instruction:\n", "### Input:\n", "### Response:\n"
STATED = (
    "the model has no chat template, so it is asked in these words: '### Instruction:\\n…\\n\\n### Response:\\n', with"
    " '### Input:\\n…\\n\\n' between where there is one; ask the served model alike"
)


def asking_notes(row: dict[str, Any], tokenizer: Any) -> tuple[str, ...]:
    """Return what to warn of: that a model without a template learns to be asked in the stated words."""
    return (STATED,) if isinstance(row.get("prompt"), dict) and not tokenizer.chat_template else ()


def checked_instruction(value: Asked, column: str) -> Asked:
    """Return the instruction if it holds a text. Raises RowError."""
    asked = value["instruction"]
    if not isinstance(asked, str):
        raise RowError(column, show(asked), "text in quotes")
    if not asked.strip():
        raise RowError(column, show(asked), "a prompt; remove the row if there is none")
    return value


def as_chat(value: Asked) -> list[Message]:
    """Return the instruction as messages, up to what the assistant has to reply to."""
    system = [{"role": "system", "content": value["system"]}] if "system" in value else []
    earlier = [
        {"role": role, "content": text}
        for pair in value.get("history", ())
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    context = f"\n\n{value['context']}" if "context" in value else ""
    return [*system, *earlier, {"role": "user", "content": f"{value['instruction']}{context}"}]


def as_text(value: Asked) -> str:
    """Return the instruction as the stated prompt, up to where the answer begins."""
    system = f"{value['system']}\n\n" if "system" in value else ""
    earlier = "".join(_asked(prompt) + f"{answer}\n\n" for prompt, answer in value.get("history", ()))
    return system + earlier + _asked(value["instruction"], value.get("context"))


def _asked(instruction: str, context: str | None = None) -> str:
    given = f"{INPUT}{context}\n\n" if context else ""
    return f"{INSTRUCTION}{instruction}\n\n{given}{RESPONSE}"
