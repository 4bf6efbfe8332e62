"""Completions of sample prompts, always the most likely ones, so that runs can be compared."""

from typing import Any

from finetune_trainer.models.limits import usable_length
from finetune_trainer.models.loading import Loaded


def complete(loaded: Loaded, prompt_ids: list[int], max_new_tokens: int) -> str:
    """Return what the model continues the prompt with, greedily, in at most `max_new_tokens` tokens.

    What is too long for the model loses its beginning, and it is continued no further than the model can place.
    """
    import torch

    model, tokenizer = loaded.model, loaded.tokenizer
    limit = usable_length(model, tokenizer).tokens
    # A prompt that is too long loses its beginning, but no more than half of the model's room goes to what follows.
    kept = prompt_ids[-(limit - min(max_new_tokens, limit // 2)) :]
    ids = torch.tensor([kept], device=model.device)
    settings: dict[str, Any] = {
        "do_sample": False,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        "max_new_tokens": min(max_new_tokens, limit - len(kept)),
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.no_grad():
        output = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
    text: str = tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
    return text.strip()
