"""Completions of sample prompts, always the most likely ones, so that runs can be compared."""

from typing import Any

from finetune_trainer.loading import Loaded, longest_input


def complete(loaded: Loaded, prompt_ids: list[int], max_new_tokens: int) -> str:
    """Return what the model continues the prompt with, greedily, in at most `max_new_tokens` tokens."""
    import torch

    model, tokenizer = loaded.model, loaded.tokenizer
    room = longest_input(model, tokenizer, 1 << 30) - max_new_tokens
    ids = torch.tensor([prompt_ids[-max(room, 1) :]], device=model.device)
    settings: dict[str, Any] = {
        "do_sample": False,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        "max_new_tokens": max_new_tokens,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.no_grad():
        output = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
    text: str = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
    return text.strip()
