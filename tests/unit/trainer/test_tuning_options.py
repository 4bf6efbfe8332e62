"""What method Freeze lets learn, and the complaints about layers, names and schedules that do not exist."""

from pathlib import Path
from typing import Any

import pytest
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from finetune_api.spec.training import TrainingSpec
from finetune_api.spec.tuning import FreezeOptions, LoRAOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.adapters import attach
from finetune_trainer.models.freezing import freeze
from finetune_trainer.models.loading import Loaded
from finetune_trainer.runtime.batches import Batches
from finetune_trainer.runtime.device import Device
from finetune_trainer.stages.arguments import check_steps, training_arguments

SMALL = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 10}
T5 = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 2, "num_heads": 2, "vocab_size": 10}
BART = {
    "vocab_size": 10,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "d_model": 8,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
}


def _bert() -> Loaded:
    model = BertForSequenceClassification(BertConfig(**SMALL))
    return Loaded(model, None, ("classifier.bias", "classifier.weight"))


def _learning(loaded: Loaded, **options: Any) -> set[str]:
    freeze(loaded, FreezeOptions(**options))
    return {name for name, parameter in loaded.model.named_parameters() if parameter.requires_grad}


def test_the_last_layers_learn_with_what_follows_them():
    learning = _learning(_bert(), trainable_layers=2)
    assert {name.split(".")[3] for name in learning if "encoder.layer" in name} == {"1", "2"}
    rest = {name for name in learning if "encoder.layer" not in name}
    assert rest == {f"{part}.{kind}" for part in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")}


def test_patterns_name_what_learns_beside_a_new_head():
    learning = _learning(_bert(), trainable_patterns=["*.layer.0.*.query.weight", "*.pooler.*"])
    assert learning == {
        "bert.encoder.layer.0.attention.self.query.weight",
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
        "classifier.bias",
    }


def test_embeddings_alone_can_be_frozen():
    loaded = _bert()
    learning = _learning(loaded, embeddings_only=True)
    everything = {name for name, _ in loaded.model.named_parameters()}
    assert everything - learning == {name for name in everything if name.startswith("bert.embeddings.")}


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (T5ForConditionalGeneration(T5Config(**T5)), ("encoder.block.1.", "decoder.block.1.")),
        (BartForConditionalGeneration(BartConfig(**BART)), ("encoder.layers.1.", "decoder.layers.1.")),
    ],
    ids=["T5", "BART"],
)
def test_both_stacks_of_an_encoder_decoder_learn_at_their_ends(model: Any, layers: tuple[str, str]):
    learning = _learning(Loaded(model, None), trainable_layers=1)
    inside = {name for name in learning if ".block." in name or ".layers." in name}
    assert inside == {name for name, _ in model.named_parameters() if any(layer in name for layer in layers)}
    assert not any("embed" in name or "shared" in name for name in learning)


def _attach(**options: Any) -> None:
    attach(_bert(), LoRAOptions(**options), "spec.tuning.lora", TrainingSpec(), "SEQ_CLS")


@pytest.mark.parametrize(
    ("act", "field", "words"),
    [
        (lambda: _learning(_bert(), trainable_layers=4), "freeze.trainableLayers", "the model has 3 (bert.encoder"),
        (lambda: _learning(_bert(), trainable_patterns=["x.*"]), "freeze.trainablePatterns", "bert.encoder.layer.*."),
        (lambda: _attach(modules_to_save=["head"]), "lora.modulesToSave", "head matches no module"),
        (lambda: _attach(target_modules=["q_proj"]), "lora.targetModules", "query"),
    ],
    ids=["layers", "patterns", "modulesToSave", "targetModules"],
)
def test_what_the_model_does_not_have_is_named(act: Any, field: str, words: str):
    with pytest.raises(BadSpec, match="has") as found:
        act()
    assert found.value.field == f"spec.tuning.{field}"
    assert words in found.value.message


def test_a_schedule_that_refuses_its_arguments_is_named():
    spec = TrainingSpec(lr_scheduler_arguments={"cycles": 2})
    with pytest.raises(BadSpec, match="unexpected keyword argument 'cycles'"):
        training_arguments(spec, Batches(1, 1, 1), Device("cpu", bfloat16=False), Path())


STABLE = {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_arguments": {"num_decay_steps": 4}}


@pytest.mark.parametrize(
    ("options", "warmup_steps", "words"),
    [
        ({"warmup_steps": 3}, 3, r"warmupSteps: the learning rate would rise for 3 steps, but the training has 3 opt"),
        ({"warmup_steps": 500}, 500, r"would rise for 500 steps, .* set warmupRatio, or train longer"),
        (STABLE, 0, r"lrSchedulerArguments: 0 steps of warm-up and 4 of decay \(num_decay_steps\) are more than there"),
    ],
    ids=["as long", "longer", "decay"],
)
def test_a_schedule_that_is_longer_than_the_training_is_refused(options: Any, warmup_steps: int, words: str):
    with pytest.raises(BadSpec, match=words):
        check_steps(TrainingSpec(**options), warmup_steps, 3)


def test_a_share_that_leaves_no_step_after_the_warm_up_is_warned_of():
    assert check_steps(TrainingSpec(warmup_steps=2), 2, 3) is None
    assert check_steps(TrainingSpec(**STABLE), 0, 4) is None
    assert "never reached" in (check_steps(TrainingSpec(warmup_ratio=0.99), 3, 3) or "")
    assert "nothing is learnt" in (check_steps(TrainingSpec(warmup_ratio=0.1), 1, 1) or "")
