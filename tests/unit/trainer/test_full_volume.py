"""A full volume is recognised whatever library reports it, and the message says what fills it."""

import errno
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import save_file

from finetune_trainer.runtime.full_volume import full_volume, is_full

SIZE = 3 * 2**20
WEIGHTS = torch.zeros(2**20)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A volume of 3 MiB."""
    folder = tmp_path / "volume"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small volume needs root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # What failed to write may hold its file still.


def _copy(folder: Path) -> None:
    (folder.parent / "tree").mkdir()
    (folder.parent / "tree/large").write_bytes(bytes(2 * SIZE))
    shutil.copytree(folder.parent / "tree", folder / "tree")


WRITERS: dict[str, Callable[[Path], object]] = {
    "python": lambda folder: (folder / "x").write_bytes(bytes(2 * SIZE)),
    "torch": lambda folder: torch.save(WEIGHTS, folder / "x"),
    "safetensors": lambda folder: save_file({"w": WEIGHTS}, folder / "x"),
    "numpy": lambda folder: numpy.save(folder / "x.npy", WEIGHTS.numpy()),
    "arrow": lambda folder: pyarrow.parquet.write_table(
        pyarrow.table({"x": numpy.random.default_rng(0).random(2**20)}), folder / "x"
    ),
    "shutil": _copy,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_each_librarys_word_for_it_is_understood(small: Path, tmp_path: Path, writer: str):
    with pytest.raises(Exception) as found:
        WRITERS[writer](small)
    try:
        raise RuntimeError("the checkpoint could not be saved") from found.value
    except RuntimeError as error:
        assert is_full(error, (small, tmp_path))


def test_other_errors_are_not_taken_for_it(tmp_path: Path):
    for error in (ValueError("x"), OSError(errno.EACCES, "denied"), RuntimeError("PytorchStreamWriter failed")):
        assert not is_full(error, (tmp_path,))


def test_the_message_says_what_fills_the_workspace_and_how_to_go_on(small: Path, tmp_path: Path):
    (small / "checkpoints").mkdir()
    (small / "checkpoints/x").write_bytes(bytes(2 * 2**20))
    error = full_volume(OSError(errno.ENOSPC, "full", str(small / "y")), small, tmp_path / "scratch")
    assert error.field == "spec.storage.size"
    assert "the workspace volume is full (0.00293 GiB, of which checkpoints 0.002 GiB)" in error.message
    assert "set spec.retry to a new value" in error.message


def test_scratch_space_has_its_own_field(small: Path, tmp_path: Path):
    error = full_volume(OSError(errno.ENOSPC, "full", str(small / "y")), tmp_path, small)
    assert error.field == "spec.compute.ephemeralStorage"
