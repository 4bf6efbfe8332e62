"""Make a small encoder-decoder that can repeat English, offline and in about two minutes on two CPU cores.

A T5 that learns one thing, on the prose of the Python installation at hand: to write again the text that it reads.
Copying words is what it brings along to an example; which words to leave out is what it is tuned for.

    python examples/make_seq2seq_model.py --output models/seq2seq
"""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

from make_causal_model import END, PAD, make_tokenizer, prose, rate_at  # isort: skip - before torch: it sets OMP's policy

import torch
from muon import Muon
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

SHORTEST, LONGEST = 4, 48
"""Lengths of the texts in tokens; those of a batch are all as long."""
TOKENS = 1600
"""Tokens of a batch of sources, about."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make a small encoder-decoder offline, the same for each seed.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write the model and tokenizer to")
    parser.add_argument("--steps", type=int, default=1200, help="optimizer steps; 1200 take two minutes on 2 cores")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and of the texts")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps: found {options.steps}, expected at least 1")
    return options


def ending_tokenizer(paragraphs: list[str]) -> PreTrainedTokenizerFast:
    """Make the tokenizer of the causal model, but let it close every text with the end token, as T5's does."""
    tokenizer = make_tokenizer(paragraphs, vocab_size=1280)
    closed = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, tokenizer.convert_tokens_to_ids(END))])
    tokenizer.backend_tokenizer.post_processor = closed
    tokenizer.chat_template = None
    return tokenizer


def make_model(tokenizer: PreTrainedTokenizerFast) -> T5ForConditionalGeneration:
    """Build a T5 of about a million parameters with random weights; its decoder begins with the padding token."""
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=128,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_decoder_layers=1,
        num_heads=4,
        dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.convert_tokens_to_ids(PAD),
    )
    return T5ForConditionalGeneration(config)


def batches(
    paragraphs: list[str], tokenizer: PreTrainedTokenizerFast, steps: int, draw: random.Random
) -> Iterator[dict[str, torch.Tensor]]:
    """Yield texts as `input_ids` and as `labels` of shape (rows, tokens), the longer the later."""
    texts = [tokenizer(paragraph, verbose=False)["input_ids"][:-1] for paragraph in paragraphs]
    texts = [ids for ids in texts if len(ids) > LONGEST]
    for step in range(steps):
        length = draw.randint(SHORTEST, int(12 + (LONGEST - 12) * min(1.0, 2 * step / steps)))
        parts = [_part(draw.choice(texts), length, draw) for _ in range(TOKENS // (length + 8))]
        ids = torch.tensor([[*part, tokenizer.eos_token_id] for part in parts])
        yield {"input_ids": ids, "labels": ids}


def _part(text: list[int], length: int, draw: random.Random) -> list[int]:
    start = draw.randint(0, len(text) - length)
    return text[start : start + length]


def make_optimizers(model: T5ForConditionalGeneration) -> list[torch.optim.Optimizer]:
    """Pair Muon for the layers' matrices with AdamW for the rest, as for the causal model.

    The relative positions, by which a word finds the one before it, learn faster: copying begins with them.
    """
    positions = [weights for name, weights in model.named_parameters() if "relative_attention_bias" in name]
    linear = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    matrices = [weights for weights in linear if weights is not model.lm_head.weight]
    taken = {id(weights) for weights in (*positions, *matrices)}
    rest = [weights for weights in model.parameters() if id(weights) not in taken]
    return [
        Muon(matrices, lr=0.015, weight_decay=0.01),
        torch.optim.AdamW(
            [{"params": rest}, {"params": positions, "lr": 0.05}], lr=5e-3, betas=(0.9, 0.95), weight_decay=0.0
        ),
    ]


def pretrain(model: T5ForConditionalGeneration, text: Iterator[dict[str, torch.Tensor]], steps: int) -> None:
    """Train on `text`, printing the loss (nats a token) and the share of right tokens ten times on the way."""
    optimizers = make_optimizers(model)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, lambda step: rate_at(step, steps)) for each in optimizers]
    started = time.monotonic()
    model.train()
    for step, batch in enumerate(text, 1):
        output = model(**batch, use_cache=False)
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % max(1, steps // 10) == 0:
            right = (output.logits.argmax(-1) == batch["labels"]).float().mean()
            seconds = time.monotonic() - started
            print(f"step {step}/{steps}  loss {output.loss:.3f}  {right:.0%} right  {seconds:.0f} s", flush=True)


def main() -> None:
    """Read, train, save."""
    options = arguments()
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    paragraphs = prose()
    tokenizer = ending_tokenizer(paragraphs)
    model = make_model(tokenizer)
    print(f"{model.num_parameters() / 1e6:.1f} million parameters, {len(tokenizer)} tokens", flush=True)
    pretrain(model, batches(paragraphs, tokenizer, options.steps, random.Random(options.seed)), options.steps)
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    print(f"saved to {options.output}")


if __name__ == "__main__":
    main()
