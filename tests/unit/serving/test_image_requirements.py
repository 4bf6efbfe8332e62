"""Each image has its own half of the libraries: no torch beside the operator, no Kubernetes client beside the model."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _packages(image: str) -> set[str]:
    lines = (ROOT / "requirements" / f"{image}.txt").read_text().splitlines()
    return {match[1] for line in lines if (match := re.match(r"([a-z0-9._-]+)==", line))}


def test_the_operator_image_has_no_training_library():
    packages = _packages("operator")
    assert {"kopf", "kubernetes", "pydantic"} <= packages
    assert not packages & {"torch", "transformers", "datasets", "peft", "trl", "numpy", "triton"}


def test_the_trainer_image_has_no_kubernetes_library():
    packages = _packages("trainer")
    assert {"torch", "transformers", "aiohttp", "pydantic"} <= packages
    assert not packages & {"kopf", "kubernetes", "kubernetes-asyncio"}


@pytest.mark.parametrize("image", ["operator", "trainer"])
def test_every_package_is_pinned_by_hash(image: str):
    text = (ROOT / "requirements" / f"{image}.txt").read_text()
    blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", text).strip())
    assert blocks
    assert [block for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "trainer_image/Dockerfile"])
def test_images_run_without_root_and_copy_nothing_that_is_not_allowed(dockerfile: str):
    lines = (ROOT / dockerfile).read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000:1000"]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {line.split()[1] for line in lines if line.startswith("COPY")} <= allowed
