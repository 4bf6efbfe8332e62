"""From a published folder to a model in memory: safetensors and code of the library only."""

import threading
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.utils import logging

from finetune_trainer.errors import BadSpec
from finetune_trainer.serving.engines.classifier import Classifier
from finetune_trainer.serving.engines.encoder_decoder import EncoderDecoder
from finetune_trainer.serving.engines.entity_finder import EntityFinder
from finetune_trainer.serving.engines.language import LanguageModel
from finetune_trainer.serving.engines.scorer import Scorer, is_reward_model

ServedModel = Classifier | EntityFinder | Scorer | LanguageModel


def load_model(folder: Path) -> ServedModel:
    """Load the model in `folder` onto the GPU if there is one, in the number format that it was saved in.

    Raises BadSpec if the folder holds no model of a kind that can be served.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return _load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise BadSpec(f"{folder} cannot be loaded as a model: {error}") from error


def _load(folder: Path) -> ServedModel:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    architecture = next(iter(config.architectures or ()), None)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if architecture in set(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.values()):
        kind = Scorer if is_reward_model(config) else Classifier
        return kind(_weights(AutoModelForSequenceClassification, folder), tokenizer)
    if architecture in set(MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES.values()):
        if not tokenizer.is_fast:
            raise BadSpec(f"{folder} holds no tokenizer.json, which tells words apart; export it in the fast format")
        return EntityFinder(_weights(AutoModelForTokenClassification, folder), tokenizer)
    if architecture in set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()):
        return LanguageModel(_weights(AutoModelForCausalLM, folder), tokenizer)
    if architecture in set(MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values()):
        return EncoderDecoder(_weights(AutoModelForSeq2SeqLM, folder), tokenizer)
    raise BadSpec(
        f"{folder / 'config.json'} names the architecture {architecture!r};"
        " expected a classifier, a reward model, a causal language model or an encoder-decoder"
    )


def _weights(auto_class: Any, folder: Path) -> Any:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = auto_class.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="auto"
    )
    return _one_pass_at_a_time(model.eval().to(device))


def _one_pass_at_a_time(model: Any) -> Any:
    """Let threads take turns at the model, one forward pass each, so that no long generation blocks the others."""
    turn = threading.Lock()

    def begin(*_: Any) -> None:
        turn.acquire()

    def end(*_: Any) -> None:
        turn.release()

    model.register_forward_pre_hook(begin)
    model.register_forward_hook(end, always_call=True)
    return model
