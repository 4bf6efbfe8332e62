"""Models that see as well learn where they read; mixtures of experts say what neither 4 bits nor adapters reach."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    Gemma3Config,
    LlamaConfig,
    MixtralConfig,
    T5Config,
    T5ForConditionalGeneration,
)

from finetune_api.spec.training import TrainingSpec
from finetune_api.spec.tuning import FreezeOptions, LoRAOptions, TuningSpec
from finetune_trainer.models.adapters import attach
from finetune_trainer.models.freezing import freeze
from finetune_trainer.models.loading import Loaded
from finetune_trainer.models.quantization import left_whole
from finetune_trainer.models.text_part import copy_processor, other_parts

SMALL = {"vocab_size": 40, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
GEMMA = {**SMALL, "num_key_value_heads": 1, "head_dim": 4}
SEEING = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2}
READING = "model.language_model."


def _seeing_model() -> Any:
    torch.manual_seed(0)
    vision = {**SEEING, "image_size": 28, "patch_size": 14}
    return AutoModelForCausalLM.from_config(
        Gemma3Config(text_config=GEMMA, vision_config=vision, mm_tokens_per_image=4)
    )


def _learning(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("modules", [["AllLinear"], ["q_proj", "v_proj"]])
def test_adapters_are_put_onto_what_reads_text_only(modules: list[str]):
    model = _seeing_model()
    options = LoRAOptions(target_modules=modules, rank=2)
    adapted = attach(Loaded(model, None), options, "spec.tuning.lora", TrainingSpec(), "CAUSAL_LM")
    learning = {name.removeprefix("base_model.model.") for name in _learning(adapted)}
    assert learning
    assert all(name.startswith(f"{READING}layers.") for name in learning)
    assert any("q_proj" in name for name in learning)


def test_freeze_leaves_what_sees_frozen_unless_a_pattern_names_it():
    model = _seeing_model()
    freeze(Loaded(model, None), FreezeOptions(trainable_layers=1))
    assert {name for name in _learning(model) if ".layers." in name} == {
        name for name, _ in model.named_parameters() if name.startswith(f"{READING}layers.1.")
    }
    assert all(name.startswith((READING, "lm_head")) for name in _learning(model))
    freeze(Loaded(model, None), FreezeOptions(trainable_patterns=["model.vision_tower.*"]))
    assert all(name.startswith("model.vision_tower.") for name in _learning(model))


def test_other_models_are_text_all_over():
    t5 = T5Config(vocab_size=40, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    bert = BertConfig(**SMALL)
    pair = EncoderDecoderConfig.from_encoder_decoder_configs(bert, bert)
    llama = AutoModelForCausalLM.from_config(LlamaConfig(**SMALL))
    for model in (T5ForConditionalGeneration(t5), EncoderDecoderModel(pair), llama):
        assert other_parts(model) == []


def test_the_processors_files_travel_along_with_a_model_that_sees(tmp_path: Path):
    base, seeing, blind = (tmp_path / name for name in ("base", "seeing", "blind"))
    for folder in (base, seeing, blind):
        folder.mkdir()
    for name in ("preprocessor_config.json", "processor_config.json", "notes.json"):
        (base / name).write_text(name)
    copy_processor(_seeing_model(), base, seeing)
    assert {path.name: path.read_text() for path in seeing.iterdir()} == {
        name: name for name in ("preprocessor_config.json", "processor_config.json")
    }
    copy_processor(AutoModelForCausalLM.from_config(LlamaConfig(**SMALL)), base, blind)
    assert not list(blind.iterdir())


def _tuning(method: str) -> TuningSpec:
    return TuningSpec.model_validate({"method": method, **({} if method == "Full" else {method.lower(): {}})})


def test_the_experts_of_a_mixture_are_told_of():
    mixture = AutoModelForCausalLM.from_config(MixtralConfig(**SMALL, num_key_value_heads=1, num_local_experts=4))
    [qlora], [lora] = left_whole(mixture, _tuning("QLoRA")), left_whole(mixture, _tuning("LoRA"))
    experts = 2 * 4 * (2 * 16 * 8 + 8 * 16)
    share = f"{experts / sum(parameter.numel() for parameter in mixture.parameters()):.0%}"
    assert qlora.startswith(f"{share} of the model's weights are experts of a mixture: they are not put into 4 bits")
    assert "AllLinear gives them no adapters" in qlora
    assert "AllLinear gives them no adapters" in lora
    assert "4 bits" not in lora
    assert left_whole(mixture, _tuning("Full")) == []
    assert left_whole(AutoModelForCausalLM.from_config(LlamaConfig(**SMALL)), _tuning("QLoRA")) == []
