"""Heads of classifiers: outputs belong to labels by name, whatever order the base model has them in."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune_trainer.log import say
from finetune_trainer.models.loading import LoadPlan, load_model, read_config
from finetune_trainer.records import Labels

GENERIC = "label_"
"""How transformers names the outputs of a head whose labels nobody named, with the output's number behind."""


def load_classifier(
    auto_class: Any, folder: Path, plan: LoadPlan, tokenizer: Any, labels: Labels
) -> tuple[Any, list[str]]:
    """Load a model whose outputs are `labels` in this order; return it and the names of weights that are fresh.

    A head that knows all of the labels, and maybe more, gives each of them its own output. One without names is taken
    as it is if it has as many outputs. Any other head knows other things: it starts anew. Raises BadSpec as
    `load_model`.
    """
    names = names_of(folder)
    order = outputs_of(labels, names)
    if order is None or order == list(range(len(names))):
        settings = label_settings(labels)
        model, fresh = load_model(auto_class, folder, plan, tokenizer, ignore_mismatched_sizes=True, **settings)
        foreign = order is None and len(names) == len(labels) and not _is_generic(names)
        return model, sorted({*fresh, *(_begin_anew(model, plan.seed) if foreign else ())})
    say("model", f"the base model's head knows the labels {_shown(names)}: each keeps its own output")
    known = label_settings(tuple(names[index] for index in range(len(names))))
    model, fresh = load_model(auto_class, folder, plan, tokenizer, ignore_mismatched_sizes=True, **known)
    _select(model, order)
    for name, value in label_settings(labels).items():
        setattr(model.config, name, value)
    return model, fresh


def label_settings(labels: Labels) -> dict[str, Any]:
    """Return the config of a model with these label names."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def outputs_of(labels: Sequence[str], names: dict[int, str]) -> list[int] | None:
    """Return which output is each label's, by the outputs' names or else their numbers; None if any has none.

    Upper and lower case are the same, unless two labels differ by it alone.
    """
    fold = str.casefold if len({label.casefold() for label in labels}) == len(labels) else str
    by_name = {fold(str(name)): index for index, name in names.items()}
    by_number = {f"{prefix}{index}": index for index in names for prefix in ("", GENERIC)}
    for known in (by_name, by_number if len(labels) == len(names) else {}):
        found = [known[fold(label)] for label in labels if fold(label) in known]
        if len(set(found)) == len(labels):
            return found
    return None


def names_of(folder: Path) -> dict[int, str]:
    """Return the outputs' names by number; some configs name them in label2id only, which transformers drops."""
    names: dict[int, str] = read_config(folder).id2label
    written = json.loads((folder / "config.json").read_bytes()).get("label2id")
    if not _is_generic(names) or not isinstance(written, dict):
        return names
    turned = {index: label for label, index in written.items() if isinstance(index, int)}
    return turned if sorted(turned) == list(range(len(written))) else names


def _is_generic(names: dict[int, str]) -> bool:
    return all(str(name).casefold() == f"{GENERIC}{index}" for index, name in names.items())


def _shown(names: dict[int, str]) -> str:
    return ", ".join(str(names[index]) for index in sorted(names)[:10]) + (", …" if len(names) > 10 else "")


def _select(model: Any, order: list[int]) -> None:
    """Keep the outputs whose numbers `order` has, in this order."""
    import torch

    chosen, before = torch.tensor(order), model.config.num_labels
    for name, dimension in _sized_by_labels(model).items():
        module = model.get_submodule(name.rpartition(".")[0])
        parameter = model.get_parameter(name)
        parameter.data = parameter.data.index_select(dimension, chosen).contiguous()
        if hasattr(module, "out_features"):
            module.out_features = len(order)
    for module in model.modules():
        if getattr(module, "num_labels", None) == before:
            module.num_labels = len(order)


def _begin_anew(model: Any, seed: int) -> list[str]:
    """Give the outputs random weights, as those of a head that is not in the folder; return the weights' names."""
    from transformers import set_seed

    set_seed(seed)
    names = list(_sized_by_labels(model))
    for name in names:
        # transformers leaves what was loaded alone.
        model.get_parameter(name)._is_hf_initialized = False
    for parent in dict.fromkeys(name.rpartition(".")[0] for name in names):
        module = model.get_submodule(parent)
        module._is_hf_initialized = False
        model._init_weights(module)
    return names


def _sized_by_labels(model: Any) -> dict[str, int]:
    """Return the names of the weights whose size is the number of labels, and along which dimension."""
    import torch

    shapes = []
    for count in (model.config.num_labels, model.config.num_labels + 1):
        config = copy.deepcopy(model.config)
        config.quantization_config = None
        config.num_labels = count
        with torch.device("meta"):
            other = type(model)(config)
        shapes.append({name: tuple(parameter.shape) for name, parameter in other.named_parameters()})
    return {
        name: next(index for index, size in enumerate(shape) if size != shapes[1][name][index])
        for name, shape in shapes[0].items()
        if shape != shapes[1][name]
    }
