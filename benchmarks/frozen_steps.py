"""How much faster a step is when a part of the weights is frozen: `python -m benchmarks.frozen_steps`.

Full and frozen models of a small encoder's size (6 layers of 384) take turns on the same batches in one run, so that a
busy machine slows both; the ratio of the medians counts.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from transformers import BertConfig, BertForSequenceClassification

from finetune_api.spec.tuning import FreezeOptions
from finetune_trainer.models.freezing import freeze
from finetune_trainer.models.loading import Loaded

SIZE = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
HEAD = ("classifier.bias", "classifier.weight")
KINDS = {
    "Full": None,
    "Freeze, trainableLayers: 2": FreezeOptions(trainable_layers=2),
    "Freeze, trainableLayers: 1": FreezeOptions(trainable_layers=1),
    "Freeze, embeddingsOnly": FreezeOptions(embeddings_only=True),
}


def step_of(options: FreezeOptions | None) -> Callable[[dict[str, torch.Tensor]], None]:
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**SIZE))
    if options:
        freeze(Loaded(model, None, HEAD), options)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4, fused=True)

    def step(batch: dict[str, torch.Tensor]) -> None:
        optimizer.zero_grad()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12, help="measured steps of each kind, after two unmeasured")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    steps = {name: step_of(kind) for name, kind in KINDS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(options.steps + 2):
        batch = {"input_ids": torch.randint(1000, 30000, (8, 64)), "labels": torch.randint(0, 2, (8,))}
        for name, step in steps.items():
            started = time.perf_counter()
            step(batch)
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times[2:]) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<28} {median * 1e3:7.1f} ms a step   {medians['Full'] / median:.2f} times as fast as Full")


if __name__ == "__main__":
    main()
