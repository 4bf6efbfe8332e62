"""Judging the model while it trains."""

from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import TrainerControl, TrainerState

from finetune_trainer.runtime.preemption import Preemption
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.stages.callbacks import DrawCurves, EvaluateMeanwhile
from finetune_trainer.tracking import Tracking


def test_what_a_training_draws_does_not_depend_on_how_often_it_is_judged(tmp_path: Path):
    def evaluate(_: object) -> dict[str, float]:
        return {"loss": float(torch.rand(()))}

    curves = DrawCurves(tmp_path)
    parts = ProgressBoard("run"), Preemption(lambda: None)
    meanwhile = EvaluateMeanwhile(1, evaluate, *parts, curves=curves, tracking=Tracking())
    torch.manual_seed(1)
    drawn = float(torch.rand(()))
    torch.manual_seed(1)
    model, state = SimpleNamespace(train=lambda: None), TrainerState(global_step=1, max_steps=2)
    meanwhile.on_step_end(None, state, TrainerControl(), model=model)
    assert float(torch.rand(())) == drawn
