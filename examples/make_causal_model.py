"""Make a small causal language model that knows some English, offline and in about two minutes on two CPU cores.

The examples need a base model that is small enough for a laptop and honest enough to learn from: it has read the
prose in the docstrings of the Python installation at hand and nothing else, so it knows English but no example's
data. The folder it writes is an ordinary Hugging Face one (Llama, safetensors, byte-level BPE, chat template).

    python examples/make_causal_model.py --output models/base
"""

import argparse
import ast
import importlib.util
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

# Threads that spin while they wait make training several times slower as soon as another program wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from muon import Muon
from tokenizers import ByteLevelBPETokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

# "argparse" stands for the standard library, whose modules all lie beside it.
PROSE_PACKAGES = ("argparse", "numpy", "scipy", "sklearn", "pandas", "networkx")
END, PAD, ROLES = "<|end|>", "<|pad|>", ("<|system|>", "<|user|>", "<|assistant|>")
# The generation markers let a trainer take the loss on the assistant's words alone.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' + '\\n' }}{% endif %}"
)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make a small causal language model offline, the same for each seed.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write the model and tokenizer to")
    parser.add_argument("--steps", type=int, default=450, help="optimizer steps; 450 take about two minutes on 2 cores")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights and of the order of the text")
    parser.add_argument("--vocab-size", type=int, default=1280, help="tokens in the vocabulary")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps: found {options.steps}, expected at least 1")
    if options.vocab_size < 512:
        parser.error(f"--vocab-size: found {options.vocab_size}, expected at least 512 (256 are single bytes)")
    return options


def is_prose(paragraph: str) -> bool:
    """Say whether a paragraph reads as English sentences and not as code, a table or a list of parameters."""
    strange = sum(not (letter.isalpha() or letter in " ,.;:'-") for letter in paragraph)
    ended = paragraph[:1].isupper() and paragraph[-1:] in {".", "!", "?"}
    listing = "--" in paragraph or " : " in paragraph
    return ended and not listing and len(paragraph) >= 80 and strange <= 0.03 * len(paragraph)


def source_files(module: str) -> list[Path]:
    """List a package's Python files in a fixed order; for a module of the standard library, all files of it."""
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise SystemExit(f"{module} is not installed: run `make venv`, then use .venv/bin/python")
    root = Path(found.origin).parent
    files = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    return [root / path for path in files if not {"site-packages", "test", "tests"} & set(path.parts)]


def prose() -> list[str]:
    """Collect each paragraph of prose once, from every string literal long enough to hold one."""
    paragraphs: dict[str, None] = {}
    for path in (path for module in PROSE_PACKAGES for path in source_files(module)):
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue  # templates of code generators end in .py too
        literals = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        for text in (value for value in literals if isinstance(value, str) and len(value) >= 80):
            blocks = (" ".join(block.split()) for block in re.split(r"\n\s*\n", text))
            paragraphs.update(dict.fromkeys(block for block in blocks if is_prose(block)))
    return list(paragraphs)


def make_tokenizer(paragraphs: list[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE, so that any text can be written, with tokens for the end, padding and three roles."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        paragraphs, vocab_size=vocab_size, special_tokens=[END, PAD, *ROLES], show_progress=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Build a Llama of about two million parameters with random weights."""
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        **ends,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**ends)
    return model


def batches(
    paragraphs: list[str], tokenizer: PreTrainedTokenizerFast, rows: int, columns: int
) -> Iterator[torch.Tensor]:
    """Yield shuffled token ids of shape (rows, columns) without end; paragraphs run on, parted by the end token."""
    order = torch.randperm(len(paragraphs)).tolist()
    text = END.join(paragraphs[index] for index in order)
    tokens = torch.tensor(tokenizer(text, verbose=False)["input_ids"])
    tokens = tokens[: len(tokens) // columns * columns].view(-1, columns)
    while True:
        for chosen in torch.split(torch.randperm(len(tokens)), rows):
            yield tokens[chosen]


def make_optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Pair Muon for the layers' matrices with AdamW for the rest: here it halves the steps that AdamW alone needs."""
    matrices = [weights for weights in model.model.layers.parameters() if weights.ndim == 2]
    taken = {id(weights) for weights in matrices}
    rest = [weights for weights in model.parameters() if id(weights) not in taken]
    return [
        Muon(matrices, lr=0.02, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=5e-3, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_at(step: int, steps: int) -> float:
    """Give the share of the learning rate at `step`: a short rise, a plateau, a straight fall over the last half."""
    return min(1.0, (step + 1) / (0.05 * steps), (steps - step) / (0.5 * steps))


def pretrain(model: LlamaForCausalLM, text: Iterator[torch.Tensor], steps: int) -> None:
    """Train on `text` for `steps` steps, printing the loss (nats a token) about ten times on the way."""
    optimizers = make_optimizers(model)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, lambda step: rate_at(step, steps)) for each in optimizers]
    started, recent = time.monotonic(), 0.0
    model.train()
    for step in range(1, steps + 1):
        input_ids = next(text)
        loss = model(input_ids=input_ids, labels=input_ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        recent = loss.item() if step == 1 else 0.95 * recent + 0.05 * loss.item()
        if step % max(1, steps // 10) == 0 or step == steps:
            print(f"step {step}/{steps}  loss {recent:.3f}  {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    """Read, train, save."""
    options = arguments()
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    started = time.monotonic()
    paragraphs = prose()
    print(f"{len(paragraphs)} paragraphs of English from {len(PROSE_PACKAGES)} sources", flush=True)
    tokenizer = make_tokenizer(paragraphs, options.vocab_size)
    model = make_model(tokenizer)
    print(f"{model.num_parameters() / 1e6:.1f} million parameters, {len(tokenizer)} tokens", flush=True)
    pretrain(model, batches(paragraphs, tokenizer, rows=8, columns=128), options.steps)
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    print(f"saved to {options.output} after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
