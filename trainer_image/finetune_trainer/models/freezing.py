"""Method Freeze: a part of the weights learns, the rest stays as it is, bit for bit."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from finetune_api.spec.tuning import FreezeOptions
from finetune_trainer.errors import BadSpec
from finetune_trainer.models.loading import Loaded
from finetune_trainer.models.text_part import other_parts

FIELD = "spec.tuning.freeze"
SHOWN_NAMES = 20


def freeze(loaded: Loaded, options: FreezeOptions) -> None:
    """Let only the weights that `options` names learn, and those that the base model does not have (a new head).

    Raises BadSpec if a pattern matches no parameter, or the model has fewer layers than are to learn.
    """
    model = loaded.model
    if options.trainable_patterns:
        learn = _matching(model, options.trainable_patterns)
    elif options.trainable_layers:
        learn = _last_layers(model, options.trainable_layers)
    else:
        learn = _all_but(model, _embeddings(model))
    if not options.trainable_patterns:
        learn -= _outside_of_text(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in learn or name in loaded.fresh)


def layer_stacks(model: Any) -> dict[str, Any]:
    """Return the stacks of layers that read text by name: its outermost module lists; an encoder-decoder has two."""
    from torch.nn import ModuleList

    stacks: dict[str, Any] = {}
    others = other_parts(model)
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}.") for outer in (*stacks, *others)):
            continue
        if isinstance(module, ModuleList) and len(module):
            stacks[name] = module
    return stacks


def _outside_of_text(model: Any) -> set[str]:
    """Return the parameters of what sees or hears; texts teach it nothing."""
    parts = tuple(f"{part}." for part in other_parts(model))
    return {name for name, _ in model.named_parameters() if name.startswith(parts)}


def _last_layers(model: Any, count: int) -> set[str]:
    """Return the parameters of the last `count` layers and of what follows them, without embeddings."""
    stacks = layer_stacks(model)
    if count > max((len(stack) for stack in stacks.values()), default=0):
        found = ", ".join(f"{len(stack)} ({name})" for name, stack in stacks.items()) or "none"
        raise BadSpec(
            f"{FIELD}.trainableLayers: {count} layers are to learn, but the model has {found}; lower it or use"
            " trainablePatterns",
            f"{FIELD}.trainableLayers",
        )
    names = [name for name, _ in model.named_parameters()]
    first = min(i for i, name in enumerate(names) if any(name.startswith(f"{stack}.") for stack in stacks))
    frozen = {*names[:first], *(name for name in names if _is_earlier_layer(name, stacks, count))}
    return _all_but(model, frozen | _embeddings(model))


def _is_earlier_layer(name: str, stacks: dict[str, Any], count: int) -> bool:
    for stack, layers in stacks.items():
        if name.startswith(f"{stack}."):
            return int(name[len(stack) + 1 :].partition(".")[0]) < len(layers) - count
    return False


def _embeddings(model: Any) -> set[str]:
    """Return the parameters that turn tokens and positions into vectors, and what is named as a part of them."""
    from torch.nn import Embedding

    modules = {name for name, module in model.named_modules() if isinstance(module, Embedding)}
    names = {name for name, _ in model.named_parameters()}
    return {name for name in names if name.rpartition(".")[0] in modules or "embed" in name.rpartition(".")[0]}


def _all_but(model: Any, frozen: set[str]) -> set[str]:
    """Return the names of all other parameters. A shared one is listed by its first name only, so it stays frozen."""
    return {name for name, _ in model.named_parameters()} - frozen


def _matching(model: Any, patterns: list[str]) -> set[str]:
    # Shared weights answer to each of their names.
    aliases = list(model.named_parameters(remove_duplicate=False))
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    chosen: set[str] = set()
    for pattern in patterns:
        hits = {first[id(parameter)] for name, parameter in aliases if fnmatchcase(name, pattern)}
        if not hits:
            raise BadSpec(
                f"{FIELD}.trainablePatterns: {pattern} matches no parameter of the model; it has"
                f" {_shown(name for name, _ in aliases)}",
                f"{FIELD}.trainablePatterns",
            )
        chosen |= hits
    return chosen


def _shown(names: Iterable[str]) -> str:
    """Return the names with a * for the number of each layer, so that the model's build can be seen."""
    kinds = list(dict.fromkeys(re.sub(r"\.\d+\.", ".*.", name) for name in names))
    more = ", …" if len(kinds) > SHOWN_NAMES else ""
    return ", ".join(kinds[:SHOWN_NAMES]) + more
