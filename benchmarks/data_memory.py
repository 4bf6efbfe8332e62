"""Memory of stage Data and of the encoding, from 10,000 to 1,000,000 rows: `python -m benchmarks.data_memory`.

Each size runs in a process of its own. What counts is the peak of the process's anonymous memory (RssAnon): pages of
mapped files are dropped by the kernel when memory is short, so they are shown, but do not matter. Prints a table;
exits with 1 when a limit is broken.
"""

import argparse
import gzip
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_api.handoff import RunRequest
from finetune_trainer.data.rows import load_rows
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.data import prepare_data
from finetune_trainer.storage import Access
from finetune_trainer.tasks import recipe_for

SIZES = (10_000, 100_000, 1_000_000)
MOST_RATIO = 1.1
"""Peak of the largest size by that of the smallest."""
INTERVAL_SECONDS = 0.01
MIB = 1024


@dataclass(frozen=True)
class Measured:
    """One size: seconds, and MiB of anonymous memory before the first row and at the peak; of files at the peak."""

    rows: int
    data_seconds: float
    encode_seconds: float
    before: float
    peak: float
    mapped: float


class Watch:
    """Samples the memory of this process while the body runs."""

    def __init__(self) -> None:
        self.anonymous = self.mapped = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(INTERVAL_SECONDS):
            self.anonymous = max(self.anonymous, memory("RssAnon"))
            self.mapped = max(self.mapped, memory("RssFile"))


def memory(kind: str) -> float:
    """Return one line of /proc/self/status, in MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[kind].split()[0]) / MIB


def write_rows(path: Path, rows: int) -> None:
    """Write a packed JSONL file of short rows of two labels, no two of which are the same."""
    with gzip.open(path, "wt", compresslevel=1) as stream:
        for number in range(rows):
            row = {"text": f"a warm and funny film about {number}", "label": "good"}
            if number % 2:
                row = {"text": f"a dull and noisy film about {number}", "label": "bad"}
            stream.write(json.dumps(row) + "\n")


def measure(rows: int, folder: Path, results: Any) -> None:
    """Take the rows from the packed file to an encoded, mapped dataset that is read once."""
    from finetune_trainer.models.loading import LoadPlan
    from finetune_trainer.stages.encoding import encode_rows

    request = RunRequest.model_validate(
        {
            "namespace": "default",
            "name": "job",
            "uid": "uid",
            "runId": "run",
            "model": {"source": "pvc://models/encoder"},
            "task": "SequenceClassification",
            "dataset": {"train": {"source": "pvc://data/train.jsonl.gz"}},
            "output": {"destination": "pvc://out/x"},
        }
    )
    recipe, workspace = recipe_for(request), Workspace(folder / "workspace", "run", "uid")
    # Everything that is imported and loaded whatever the number of rows comes before the first figure.
    loaded = recipe.load(folder / "encoder", LoadPlan("float32", 1), ("bad", "good"))
    before = memory("RssAnon")
    started = time.monotonic()
    with Watch() as watch:
        data = prepare_data(request.dataset, lambda field, _: Access(field, volumes=folder), recipe, workspace)
        prepared = time.monotonic()
        encoded = encode_rows(
            recipe, load_rows(workspace.path(data.train_file)), loaded, request.training.max_length, workspace.encoded
        )
        ended = time.monotonic()
        tokens = sum(len(row["input_ids"]) for row in encoded.rows)
    assert tokens == encoded.counts.tokens
    assert data.train_rows + data.evaluation_rows == rows
    results.put(Measured(rows, prepared - started, ended - prepared, before, watch.anonymous, watch.mapped))


def main() -> int:
    """Measure all sizes; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="numbers of rows, smallest first")
    sizes = parser.parse_args().rows
    print("| rows | data s | encoding s | MiB before | MiB at the peak | MiB of mapped files |")
    print("|---|---|---|---|---|---|")
    found = [_in_a_process(rows) for rows in sizes]
    ratio = found[-1].peak / found[0].peak
    print(f"\npeak of {sizes[-1]:,} rows by that of {sizes[0]:,}: {ratio:.3f} (at most {MOST_RATIO})")
    return int(ratio > MOST_RATIO)


def _in_a_process(rows: int) -> Measured:
    from tests.e2e.trainer.tiny_models import make_encoder

    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_encoder(folder / "encoder")
        (folder / "data").mkdir()
        write_rows(folder / "data/train.jsonl.gz", rows)
        results = spawned.Queue()
        process = spawned.Process(target=measure, args=(rows, folder, results))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{rows} rows: the process ended with {process.exitcode}")
        found: Measured = results.get()
    figures = (found.data_seconds, found.encode_seconds, found.before, found.peak, found.mapped)
    print(f"| {rows:,} | {' | '.join(f'{figure:.1f}' for figure in figures)} |", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
