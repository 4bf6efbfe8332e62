"""`python -m benchmarks.gpu_steps`: every task and every way of tuning, 20 steps each on a GPU, as a table.

Each case is the trainer's own `run` command in a process of its own, which imports its libraries while those before it
compute, and then waits for its turn.
Models are made with random weights (0.3 billion parameters), rows from the examples' texts. Peak memory is what torch
allocated while stage Train ran. `weights` is worked out from shapes: the weights as they are held, and for those that
learn a gradient and two moments of AdamW in float32; what the peak has beyond it are activations and logits.
"""

import argparse
import csv
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BATCH_SIZE = 8
GIB = 2**30
AHEAD = 4
"""Processes that import libraries while another computes."""
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Size:
    """How large models and rows are, and how many optimizer steps are made."""

    steps: int
    rows: int
    length_tokens: int
    width: int
    layers: int


LARGE = Size(steps=20, rows=640, length_tokens=512, width=1024, layers=24)
SMALL = Size(steps=5, rows=40, length_tokens=128, width=64, layers=4)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    task: str
    tuning: dict[str, Any] = field(default_factory=lambda: {"method": "Full"})
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    model: str = "llama"
    rows: str = "prompts"
    name: str = ""


LORA = {"method": "LoRA", "lora": {"rank": 16}}
QLORA = {"method": "QLoRA", "qlora": {"rank": 16, "quantType": "nf4", "doubleQuantization": True}}
PAGED = {"optimizer": "paged_adamw_8bit"}
REWARDS = {"rewardFunctions": [{"name": "length", "type": "Length", "length": {"targetCharacters": 200}}]}
ROLLOUTS = {"responseLength": 64, **REWARDS}
SAMPLING = {"numGenerations": 8, "maxCompletionLength": 64, **REWARDS}


def _lora(**options: Any) -> dict[str, Any]:
    return {"method": "LoRA", "lora": {"rank": 16, **options}}


CASES = [
    Case("SequenceClassification", model="bert", rows="labels"),
    Case("SequenceClassification", LORA, model="bert", rows="labels"),
    Case("SequenceClassification", options={"problemType": "MultiLabel"}, model="bert", rows="label sets"),
    Case("SequenceClassification", options={"problemType": "Regression"}, model="bert", rows="numbers"),
    Case("TokenClassification", model="bert", rows="tags"),
    Case("CausalLM", training={"packing": True}, rows="texts", name="packed"),
    Case("SFT"),
    Case("SFT", {"method": "Freeze", "freeze": {"trainableLayers": 4}}, name="last 4 layers"),
    Case("SFT", LORA),
    Case("SFT", LORA, training={"packing": True}, name="packed"),
    Case("SFT", LORA, training={"gradientCheckpointing": True}, name="checkpointing"),
    Case("SFT", LORA, training={"neftuneNoiseAlpha": 5}, name="NEFTune"),
    Case("SFT", _lora(useDora=True), name="DoRA"),
    Case("SFT", _lora(useRslora=True), name="rsLoRA"),
    Case("SFT", _lora(initLoraWeights="pissa_niter_4"), name="PiSSA"),
    Case("SFT", QLORA, training=PAGED, name="NF4, double quantisation, paged 8-bit AdamW"),
    Case("Seq2Seq", model="t5", rows="pairs"),
    Case("Seq2Seq", LORA, model="t5", rows="pairs"),
    Case("Reward", LORA, rows="preferences"),
    Case("DPO", LORA, rows="preferences"),
    Case("DPO", rows="preferences"),
    Case("DPO", QLORA, training=PAGED, rows="preferences", name="NF4, paged 8-bit AdamW"),
    Case("ORPO", LORA, rows="preferences"),
    Case("KTO", LORA, rows="feedback"),
    Case("PPO", LORA, ROLLOUTS, rows="questions"),
    Case("PPO", options=ROLLOUTS, rows="questions"),
    Case("GRPO", LORA, SAMPLING, rows="questions"),
    Case("GRPO", options=SAMPLING, rows="questions"),
    Case("GRPO", QLORA, SAMPLING, training=PAGED, rows="questions", name="NF4, paged 8-bit AdamW"),
    Case("RLOO", LORA, SAMPLING, rows="questions"),
]


def main() -> int:
    """Run the cases; print the table and write it to the folder that `--output` names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_steps", description=__doc__)
    parser.add_argument("--output", type=Path, help="folder for gpu_steps.md and gpu_steps.json")
    parser.add_argument("--only", nargs="+", help="run only the cases of these tasks")
    parser.add_argument("--small", action="store_true", help="tiny models: to try the script without a GPU")
    arguments = parser.parse_args()
    size = SMALL if arguments.small else LARGE
    chosen = [case for case in CASES if not arguments.only or case.task in arguments.only]
    results = []
    with tempfile.TemporaryDirectory() as name:
        site = Path(name)
        maker = SPAWN.Process(target=_make_models, args=(site, size))
        maker.start()
        maker.join()
        _write_rows(site, size)
        runs = [Run(case, site / f"case-{index}", site, size) for index, case in enumerate(chosen)]
        for index, run in enumerate(runs):
            for prepared in runs[index : index + AHEAD]:
                prepared.prepare()
            results.append(run.result())
            print(_table(results[-1:]).splitlines()[-1], flush=True)
            _write(results, arguments.output)
    print(_table(results))
    return 0 if all(result["exit"] == 0 for result in results) else 1


def _write(results: list[dict[str, Any]], folder: Path | None) -> None:
    """Write what is known so far: a run that is cut short leaves its table."""
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gpu_steps.md").write_text(_table(results))
        (folder / "gpu_steps.json").write_text(json.dumps(results, indent=1))


class Run:
    """One case in a process of its own."""

    def __init__(self, case: Case, folder: Path, site: Path, size: Size) -> None:
        self._case = case
        self._folder = folder
        self._site = site
        self._turn = SPAWN.Event()
        self._process = SPAWN.Process(target=_train, args=(folder, site, self._turn))
        folder.mkdir()
        (folder / "job.json").write_text(json.dumps(_job(case, folder.name, size)))

    def prepare(self) -> None:
        """Let the process import its libraries, if it has not begun yet."""
        if self._process.pid is None:
            self._process.start()

    def result(self) -> dict[str, Any]:
        """Let the case run to its end; return its figures."""
        case, folder = self._case, self._folder
        started = time.monotonic()
        self._turn.set()
        self._process.join()
        result: dict[str, Any] = {
            "task": case.task,
            "tuning": case.tuning["method"],
            "name": case.name or next((str(value) for value in case.options.values() if isinstance(value, str)), ""),
            "exit": self._process.exitcode,
            "wall_seconds": round(time.monotonic() - started, 1),
        }
        report = folder / "termination-log"
        if report.exists():
            said = json.loads(report.read_text())
            result["failure"] = (said.get("failure") or {}).get("message")
            result["tokens_per_second"] = (said.get("progress") or {}).get("tokensPerSecond")
            result["samples_per_second"] = (said.get("progress") or {}).get("samplesPerSecond")
        if (folder / "memory.json").exists():
            result |= json.loads((folder / "memory.json").read_text())
        published = self._site / "volumes/out" / folder.name / "run/evaluation.json"
        if published.exists():
            history = json.loads(published.read_text())["training"]["lossHistory"]
            result["first_loss"], result["last_loss"] = history[0][1], history[-1][1]
        if self._process.exitcode:
            print((folder / "log").read_text()[-800:], flush=True)
        shutil.rmtree(folder)
        return result


def _train(folder: Path, site: Path, turn: Any) -> None:
    """Be the trainer, and note the memory of stage Train."""
    import os

    import peft
    import sklearn.metrics
    import torch
    import transformers.trainer
    import trl

    from finetune_trainer.__main__ import main as trainer_main
    from finetune_trainer.stages.train import Training

    log = (folder / "log").open("wb", buffering=0)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    del peft, sklearn, transformers, trl  # imported ahead, while other cases compute
    turn.wait()
    fit = Training._fit

    def measured(self: Training, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        result = fit(self, trainer, *args, **kwargs)
        peak = torch.cuda.max_memory_allocated() if cuda else 0
        weights = sum(p.numel() * p.element_size() for p in trainer.model.parameters())
        learning = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
        figures = {"peak_gib": peak / GIB, "weights_gib": (weights + 12 * learning) / GIB}
        (folder / "memory.json").write_text(json.dumps(figures))
        return result

    Training._fit = measured  # type: ignore[method-assign]
    args = ["run", folder / "job.json", "--workspace", folder / "workspace", "--volumes", site / "volumes"]
    args += ["--secrets", site / "secrets", "--port", 0, "--termination-log", folder / "termination-log"]
    sys.argv = ["finetune_trainer", *map(str, args)]
    sys.exit(trainer_main())


def _job(case: Case, name: str, size: Size) -> dict[str, Any]:
    block = case.task.lower() if case.task.isupper() else case.task[0].lower() + case.task[1:]
    rows = case.rows.replace(" ", "-")
    return {
        "namespace": "default",
        "name": name,
        "uid": "uid",
        "runId": "run",
        "model": {"source": f"pvc://models/{case.model}"},
        "task": case.task,
        block: case.options,
        "tuning": case.tuning,
        "dataset": {
            "train": {"source": f"pvc://data/{rows}.jsonl"},
            "evaluation": {"source": f"pvc://data/{rows}-held-out.jsonl"},
        },
        "training": {
            "maxSteps": size.steps,
            "batchSize": BATCH_SIZE,
            "maxLength": size.length_tokens,
            "learningRate": 1e-4,
            "loggingIntervalSteps": 5,
            "precision": "BF16",
            **case.training,
        },
        "evaluation": {"baseline": False, "maxNewTokens": 8},
        "compute": {"gpus": 1, "cpu": "8"},
        "output": {"destination": f"pvc://out/{name}"},
    }


def _write_rows(site: Path, size: Size) -> None:
    """Write every shape of rows, of about as many tokens as are learnt, from the examples' texts."""
    (site / "volumes/data").mkdir(parents=True)
    (site / "volumes/out").mkdir()
    texts = _texts()
    long = [" ".join(texts[(index * 7 + shift) % len(texts)] for shift in range(24)) for index in range(size.rows)]
    half = [text[: len(text) // 2] for text in long]
    shapes: dict[str, list[dict[str, Any]]] = {
        "labels": [{"text": text, "label": ("bad", "good")[index % 2]} for index, text in enumerate(long)],
        "label sets": [
            {"text": text, "labels": [name for bit, name in enumerate("abcd") if index >> bit & 1]}
            for index, text in enumerate(long)
        ],
        "numbers": [{"text": text, "label": index % 10 / 10} for index, text in enumerate(long)],
        "tags": [_tagged(text) for text in long],
        "texts": [{"text": text} for text in long],
        "prompts": [{"prompt": text[:200], "completion": text[200:]} for text in long],
        "pairs": [{"source": text, "target": text[:200]} for text in half],
        "preferences": [{"prompt": text[:200], "chosen": text[200:900], "rejected": text[900:1500]} for text in long],
        "feedback": [
            {"prompt": text[:200], "completion": text[200:1200], "label": index % 2 == 0}
            for index, text in enumerate(long)
        ],
        "questions": [{"prompt": text[:300]} for text in long],
    }
    for name, rows in shapes.items():
        path = site / "volumes/data" / name.replace(" ", "-")
        Path(f"{path}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        Path(f"{path}-held-out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:8]))


def _tagged(text: str) -> dict[str, Any]:
    words = text.split()
    return {"tokens": words, "tags": ["B-NAME" if word[0].isupper() else "O" for word in words]}


def _texts() -> list[str]:
    with (ROOT / "examples/imdb-sentiment/data/train.csv").open(newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


def _make_models(site: Path, size: Size) -> None:
    """Make a decoder, an encoder and an encoder-decoder with random weights and one tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        BertConfig,
        BertModel,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(), trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", model_max_length=2048
    )
    width, layers = size.width, size.layers
    shape = {"vocab_size": 8192, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": width // 64}
    wide = {"intermediate_size": width * 11 // 4, "max_position_embeddings": 2048, "pad_token_id": 0}
    t5 = T5Config(
        vocab_size=8192,
        d_model=width,
        d_kv=64,
        d_ff=width * 11 // 4,
        num_layers=layers // 2,
        num_heads=width // 64,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    made = {
        "llama": LlamaForCausalLM(LlamaConfig(**shape, **wide, bos_token_id=1, eos_token_id=2)),
        "bert": BertModel(BertConfig(**shape, **wide)),
        "t5": T5ForConditionalGeneration(t5),
    }
    for name, model in made.items():
        folder = site / "volumes/models" / name
        model.to(torch.bfloat16).save_pretrained(folder)
        wrapped.save_pretrained(folder)


def _table(results: list[dict[str, Any]]) -> str:
    head = "task | tuning | variant | loss, first | loss, last | samples/s | tokens/s | weights GiB | peak GiB | exit"
    lines = [f"| {head} |", "|" + " --- |" * (head.count("|") + 1)]
    for result in results:
        figures = [
            _figure(result.get(name))
            for name in (
                "first_loss",
                "last_loss",
                "samples_per_second",
                "tokens_per_second",
                "weights_gib",
                "peak_gib",
            )
        ]
        cells = [result["task"], result["tuning"], result["name"], *figures, str(result["exit"])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
