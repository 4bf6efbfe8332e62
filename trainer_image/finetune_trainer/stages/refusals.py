"""Rows that are refused only once the model is there, by its chat template: named by file and line."""

from collections.abc import Iterator
from contextlib import contextmanager

from finetune_api.spec.dataset import DatasetSpec
from finetune_trainer.data.origins.files import field_of
from finetune_trainer.data.problems import Problems, RowError
from finetune_trainer.data.rows import StoredRows
from finetune_trainer.errors import BadSpec, RefusedRow, UnfitTemplate
from finetune_trainer.models.loading import Loaded
from finetune_trainer.tasks import Recipe
from finetune_trainer.tasks.recipe import Row

BATCH_ROWS = 1000


class HeldRows:
    """The stored rows of a part of the dataset: train, evaluation or test."""

    def __init__(self, rows: StoredRows, dataset: DatasetSpec, part: str) -> None:
        own = {"evaluation": dataset.evaluation, "test": dataset.test}.get(part)
        block, files = (part, own) if own and own.uris else ("train", dataset.train)
        self._rows = rows
        self._name = ", ".join(files.uris)
        self._field = field_of(files, f"spec.dataset.{block}")

    @contextmanager
    def named(self, recipe: Recipe, loaded: Loaded, max_length: int) -> Iterator[None]:
        """Let a RefusedRow that is raised within become a BadData that names all such rows with their places.

        An UnfitTemplate becomes a BadSpec that names the first row that it does not fit.
        """
        try:
            yield
        except RefusedRow:
            problems = Problems(self._name, self._field)
            for index, row in enumerate(self._rows):
                refused = _error(recipe, row, loaded, max_length)
                if isinstance(refused, RefusedRow):
                    problems.add_at(self._rows.place(index), RowError(None, refused.found, refused.expected))
            problems.fail_if_any(len(self._rows))
            raise
        except UnfitTemplate as error:
            errors = (_error(recipe, row, loaded, max_length) for row in self._rows)
            first = next((index for index, found in enumerate(errors) if isinstance(found, UnfitTemplate)), None)
            if first is None:
                raise
            place = self._rows.place(first)
            raise BadSpec(f"{place.file} {place.unit} {place.number}: {error.message}", error.field) from error

    def check(self, recipe: Recipe, loaded: Loaded, max_length: int) -> None:
        """Raise BadData if the model takes any of the rows not."""
        with self.named(recipe, loaded, max_length):
            for batch in self._rows.batches(BATCH_ROWS):
                recipe.encode(batch, loaded, max_length)


def _error(recipe: Recipe, row: Row, loaded: Loaded, max_length: int) -> RefusedRow | UnfitTemplate | None:
    try:
        recipe.encode([row], loaded, max_length)
    except (RefusedRow, UnfitTemplate) as error:
        return error
    return None
