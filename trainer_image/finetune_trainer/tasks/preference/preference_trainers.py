"""TRL's trainers over rows that are in token ids already, and dropout that adapters keep."""

from typing import Any

from torch.nn import Dropout
from trl import DPOTrainer, KTOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from finetune_trainer.errors import BadSpec
from finetune_trainer.tasks.language.token_losses import IGNORED

ADAPTERS = "lora_"
"""Beginning of the names that PEFT gives to what it adds to a module."""
REFERENCE_ADAPTER = "ref"


class EncodedDPOTrainer(DPOTrainer):  # type: ignore[misc]
    """DPO over rows {prompt_ids, chosen_ids, rejected_ids}."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


class EncodedKTOTrainer(KTOTrainer):  # type: ignore[misc]
    """KTO over rows {prompt_ids, completion_ids, label}, in batches of RotatedAnswers."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


class EncodedORPOTrainer(ORPOTrainer):  # type: ignore[misc]
    """ORPO over rows {prompt_ids, chosen_ids, rejected_ids}, in batches of SeparateAnswers."""

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """Return nothing to add: the row is encoded."""
        del feature, model
        return {}


class RotatedAnswers:
    """Batches for KTO: beside its own answer each row has its neighbour's, from which TRL estimates the divergence."""

    def __init__(self, pad_token_id: int) -> None:
        self._collate = DataCollatorForUnpairedPreference(pad_token_id=pad_token_id)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return TRL's batch for KTO."""
        neighbours = [rows[-1], *rows[:-1]]
        batch: dict[str, Any] = self._collate(
            [
                {**row, "KL_completion_ids": neighbour["completion_ids"]}
                for row, neighbour in zip(rows, neighbours, strict=True)
            ]
        )
        return batch


class SeparateAnswers:
    """Batches for ORPO, which wants chosen and rejected answers apart and labels of the answers alone."""

    def __init__(self, pad_token_id: int) -> None:
        self._collate = DataCollatorForPreference(pad_token_id=pad_token_id)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return TRL's batch for ORPO, and the rows as one batch, by which transformers counts tokens."""
        batch = self._collate(rows)
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
        parts = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}
        separate = {
            f"{answer}_{name}": half
            for name, tensor in parts.items()
            for answer, half in zip(("chosen", "rejected"), tensor.chunk(2), strict=True)
        }
        return {**separate, "input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}


def still_model(model: Any) -> Any:
    """Return the model without dropout but in adapters: noise would hide how far it is from the reference.

    Raises BadSpec for an adapter on the head, which TRL reads past.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    if isinstance(model.get_output_embeddings(), BaseTunerLayer):
        raise BadSpec(
            "preference tuning cannot train an adapter on the head; leave lm_head out of targetModules",
            "spec.tuning.lora.targetModules",
        )
    for name, module in model.named_modules():
        if isinstance(module, Dropout) and ADAPTERS not in name:
            module.p = 0.0
    return model


def forget_reference_adapter(model: Any) -> None:
    """Drop the copy of the adapter that TRL makes as a reference: switched off, adapters leave the base model."""
    if REFERENCE_ADAPTER in getattr(model, "peft_config", {}):
        model.delete_adapter(REFERENCE_ADAPTER)
