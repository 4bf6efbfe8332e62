"""Learning rate and epochs of specs that name none: by task and tuning method, as docs/tuning.md tells."""

import re
from pathlib import Path
from typing import Any

import pytest

from finetune_api.spec.inputs import TrainingInputs
from finetune_api.tasks import OPTIONS, Task

ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \| ([\de.-]+) \| ([\de.-]+) \| (\d+) \|", re.MULTILINE)
DOCUMENTED = {
    Task(task): (float(full), float(adapters), float(epochs))
    for tasks, full, adapters, epochs in ROW.findall(Path("docs/tuning.md").read_text())
    for task in re.findall(r"\w+", tasks)
}


def _resolved(task: Task, method: str, **training: Any) -> tuple[float | None, float | None]:
    spec = TrainingInputs.model_validate(
        {
            "model": {"source": "s3://bucket/base"},
            "task": task,
            "tuning": {"method": method},
            "dataset": {"train": {"source": "s3://bucket/train.jsonl"}},
            "training": training,
        }
    ).resolved_training
    return spec.learning_rate, spec.epochs


@pytest.mark.parametrize("task", OPTIONS)
def test_each_task_has_the_defaults_that_the_page_tells(task: Task):
    full, adapters, epochs = DOCUMENTED[task]
    assert _resolved(task, "Full") == _resolved(task, "Freeze") == (full, epochs)
    assert _resolved(task, "LoRA") == _resolved(task, "QLoRA") == (adapters, epochs)


def test_what_the_spec_names_counts():
    assert _resolved(Task.DPO, "LoRA", learningRate=0.01, epochs=2) == (0.01, 2)
    assert _resolved(Task.SFT, "Full", maxSteps=5) == (2e-5, None)
