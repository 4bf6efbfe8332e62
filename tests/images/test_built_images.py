"""The images as their Dockerfiles make them: what is in them, and the demo with nothing but them."""

import csv
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from demo.ask import forwarded, post_json, service_of
from demo.inputs import upload_inputs
from demo.install import Images, install_operator
from demo.stories import EXAMPLES, load_manifests, load_story
from demo.watch import print_until_done
from devcluster import Access, Cluster
from devcluster.images import build_all
from images.builder import TAG, Builder, builder

pytestmark = [pytest.mark.images, pytest.mark.timeout(3600)]

TRAINER_NEEDS_BYTES = 30 << 30
STORY = "imdb-sentiment"
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
FOUND = """
import importlib.util, json, os, shutil, sys
print(json.dumps({
    "user": os.getuid(), "group": os.getgid(), "python": list(sys.version_info[:2]),
    "packages": [name for name in NAMES if importlib.util.find_spec(name)],
    "compilers": [name for name in ("gcc", "cc", "g++", "clang", "make") if shutil.which(name)],
    "written": [path for path in ("/app/x", "/opt/venv/x", "/x") if os.access(os.path.dirname(path), os.W_OK)],
}))
"""
OURS = ("finetune_api", "finetune_operator", "finetune_trainer")
LIBRARIES = ("kopf", "kubernetes", "torch", "transformers", "peft", "trl", "datasets", "aiohttp", "pytest", "pip")


def _chosen() -> list[str]:
    """IMAGES names what to build; by default the trainer, too, where the disk is large enough."""
    if named := os.environ.get("IMAGES"):
        return named.split()
    room = shutil.disk_usage("/var/lib").free >= TRAINER_NEEDS_BYTES
    return ["operator", "trainer"] if room else ["operator"]


@pytest.fixture(scope="module")
def plain_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose pods get nothing but what their image holds, with the built images in it."""
    own = Cluster("test-images")
    own.up(plain_images=True)
    try:
        with builder() as made:
            for name in _chosen():
                _build_and_import(made, name, own)
        if "trainer" not in _chosen():
            own.import_images(_checkout_image(own, tmp_path_factory.mktemp("images")))
        yield own
    finally:
        own.down()


def _build_and_import(made: Builder, name: str, cluster: Cluster) -> None:
    image = made.build(name)
    made.drop(image)
    started = time.monotonic()
    cluster.import_images(image.archive)
    print(
        f"\n{image.reference}: build {image.build_seconds:.0f} s, archive {image.push_seconds:.0f} s,"
        f" {image.archive_bytes / 1e6:.0f} MB, import {time.monotonic() - started:.0f} s"
    )
    image.archive.unlink()


def _checkout_image(cluster: Cluster, folder: Path) -> Path:
    archive = folder / "checkout.tar"
    build_all(cluster.programs / "pause", archive, with_checkout=True)
    return archive


def _what_is_in(cluster: Access, image: str) -> dict[str, Any]:
    """Run a restricted pod of the image, and return what it finds in itself."""
    name = f"look-{image.rpartition('/')[2].partition(':')[0]}"
    script = f"NAMES = {OURS + LIBRARIES!r}\n{FOUND}"
    container = {
        "name": "look",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python", "-c", script],
        "securityContext": RESTRICTED,
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec})
    cluster.run_kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    found: dict[str, Any] = json.loads(cluster.run_kubectl("logs", name))
    return found


def test_the_operator_image_holds_the_operators_half(plain_node: Cluster):
    found = _what_is_in(plain_node, f"finetune.dev/operator:{TAG}")
    assert found["packages"] == ["finetune_api", "finetune_operator", "kopf", "kubernetes", "aiohttp"]
    assert (found["user"], found["group"], found["compilers"], found["written"]) == (1000, 1000, [], [])


def test_the_trainer_image_holds_the_trainers_half(plain_node: Cluster):
    if "trainer" not in _chosen():
        pytest.skip("the trainer image was not built: it needs 30 GB of disk, or IMAGES does not name it")
    found = _what_is_in(plain_node, f"finetune.dev/trainer:{TAG}")
    libraries = ["torch", "transformers", "peft", "trl", "datasets", "aiohttp"]
    assert found["packages"] == ["finetune_api", "finetune_trainer", *libraries]
    assert (found["user"], found["group"], found["compilers"], found["written"]) == (1000, 1000, [], [])


def test_the_demo_runs_on_built_images_alone(plain_node: Cluster):
    """One epoch, served, and the served model judged by the rows that the run was judged by.

    Without a trainer image of its own, training runs on the checkout's; the operator is always the built one.
    """
    story, (manifest,) = load_story(STORY), load_manifests(STORY)
    manifest["spec"]["training"]["epochs"] = 1
    settings = []
    if "trainer" not in _chosen():
        settings = ["trainerImage.tag=dev"]
        for block in ("compute", "serving"):
            manifest["spec"].setdefault(block, {})["runtimeClassName"] = "checkout"
    install_operator(plain_node, Images(tag=TAG), *settings)
    upload_inputs(plain_node, STORY, story, Path.home() / ".cache" / "finetune-operator" / "models")
    plain_node.run_kubectl("apply", "-f", "-", input_text=yaml.safe_dump(manifest))
    status = print_until_done(plain_node, manifest, Console(), timeout_seconds=900)
    assert _served_accuracy(plain_node, status) == pytest.approx(status["metrics"]["evaluation"]["accuracy"], abs=0.01)
    expected = {f"finetune.dev/{name}:{TAG}" for name in _chosen()}
    assert _images_of_running_pods(plain_node) >= expected


def _served_accuracy(cluster: Access, status: dict[str, Any]) -> float:
    """Return the share of the held-out rows to which the server gives their label."""
    with (EXAMPLES / STORY / "data" / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = 0
    with forwarded(cluster, f"service/{service_of(status)}") as url:
        for start in range(0, len(rows), 100):
            batch = rows[start : start + 100]
            results = post_json(f"{url}/v1/classify", {"input": [row["text"] for row in batch]})["results"]
            right += sum(result["label"] == row["label"] for result, row in zip(results, batch, strict=True))
    return right / len(rows)


def _images_of_running_pods(cluster: Access) -> set[str]:
    return set(cluster.run_kubectl("get", "pods", "-A", "-o", "jsonpath={..containers[*].image}").split())
