"""Model, data and result in a real S3 server."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from devcluster import S3, Access
from finetune_api.failures import ExitCode
from finetune_api.handoff import MANIFEST_NAME
from finetune_trainer.artifact import parse_manifest
from finetune_trainer.storage import Credentials
from tests.e2e.trainer.tiny_data import reviews
from tests.e2e.trainer.trainer_process import Site
from tests.unit.trainer.stage_data import prepare

pytestmark = [pytest.mark.e2e, pytest.mark.cluster]

BUCKET = "finetune"


@pytest.fixture(scope="module")
def s3(node: Access) -> S3:
    """The cluster's S3 server."""
    if node.s3 is None:
        pytest.skip("the cluster has no S3 server: set the AWS variables")
    return node.s3


@pytest.fixture(scope="module")
def client(s3: S3) -> Any:
    """A client of the test's own."""
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )


@pytest.fixture
def job(site: Site, s3: S3, client: Any) -> Iterator[dict[str, Any]]:
    """A job all of whose inputs and outputs are in a folder of the bucket, with its Secrets mounted."""
    prefix = f"trainer-test/{site.folder.name}"
    for path in (site.volumes / "models/encoder").iterdir():
        if path.is_file():
            client.upload_file(str(path), BUCKET, f"{prefix}/model/{path.name}")
    site.write("train.jsonl", reviews())
    client.upload_file(str(site.volumes / "data" / site.folder.name / "train.jsonl"), BUCKET, f"{prefix}/train.jsonl")
    for block in ("model", "dataset", "output"):
        _mount(site.secrets / block, s3, s3.secret_key)
    yield site.job(
        task="SequenceClassification",
        model={"source": f"s3://{BUCKET}/{prefix}/model"},
        dataset={"train": {"source": f"s3://{BUCKET}/{prefix}/train.jsonl"}, "evaluation": {"fraction": 0.25}},
        output={"destination": f"s3://{BUCKET}/{prefix}/published"},
        evaluation={"baseline": False},
    )
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/"):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=entry["Key"])


def _mount(folder: Path, s3: S3, secret_key: str, endpoint: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "AWS_ENDPOINT_URL": endpoint or s3.endpoint,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_REGION": s3.region,
    }
    for name, value in values.items():
        (folder / name).write_text(value)


def _keys(client: Any, prefix: str) -> dict[str, Any]:
    page = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return {entry["Key"].removeprefix(prefix): entry for entry in page.get("Contents", [])}


def test_a_run_from_and_to_s3(site: Site, job: dict[str, Any], client: Any):
    prefix = job["output"]["destination"].removeprefix(f"s3://{BUCKET}/") + "/default/job/run/"
    client.put_object(Bucket=BUCKET, Key=f"{prefix}left-over.bin", Body=b"from an earlier run")
    process = site.run(job).succeeded()
    files = _keys(client, prefix)
    manifest = parse_manifest(client.get_object(Bucket=BUCKET, Key=prefix + MANIFEST_NAME)["Body"].read(), prefix)
    assert set(files) == {*manifest.paths, MANIFEST_NAME}
    assert process.report.artifact
    assert manifest.digest == process.report.artifact.digest
    newest = max(entry["LastModified"] for name, entry in files.items() if name != MANIFEST_NAME)
    assert files[MANIFEST_NAME]["LastModified"] >= newest
    (site.run_folder() / "stages/Push.json").unlink()
    assert "already" in site.run(job).succeeded().output


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_wrong_key_is_no_access_at_the_data(site: Site, job: dict[str, Any], s3: S3, wrong: str):
    _mount(site.secrets / "dataset", s3, s3.secret_key)
    (site.secrets / "dataset" / wrong).write_text("wrong-secret-key")
    process = site.start(job)
    assert process.wait() == ExitCode.NO_ACCESS
    assert process.report.failure
    assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in process.report.failure.message
    assert process.report.failure.field == "spec.dataset.train.source"
    assert "wrong-secret-key" not in process.output


@pytest.mark.parametrize(
    ("source", "words"),
    [(f"s3://{BUCKET}/absent.jsonl", "has no such object"), ("s3://no-such-bucket/a.jsonl", "no-such-bucket")],
)
def test_what_is_not_there_is_missing_input(site: Site, job: dict[str, Any], source: str, words: str):
    job["dataset"]["train"]["source"] = source
    process = site.start(job)
    assert process.wait() == ExitCode.MISSING_INPUT
    assert words in process.output


def test_a_store_that_is_away_is_unavailable(site: Site, job: dict[str, Any], s3: S3):
    _mount(site.secrets / "dataset", s3, s3.secret_key, endpoint="http://127.0.0.1:9")
    process = site.start(job)
    assert process.wait() == ExitCode.UNAVAILABLE
    assert "does not answer" in process.output


def test_a_pattern_takes_the_objects_that_match(job: dict[str, Any], site: Site, client: Any, tmp_path: Path):
    source = job["dataset"]["train"]["source"]
    prefix = source.removeprefix(f"s3://{BUCKET}/").removesuffix("train.jsonl")
    part = gzip.compress(b'{"text": "from a part", "label": "good"}\n')
    for name in ("parts/1.jsonl.gz", "parts/deep/2.jsonl.gz", "parts/3.csv.gz"):
        client.put_object(Bucket=BUCKET, Key=f"{prefix}{name}", Body=part)
    pattern = source.replace("train.jsonl", "parts/**/*.jsonl.gz")
    dataset = {"train": {"source": None, "sources": [source, pattern]}, "evaluation": {"fraction": 0.25}}
    record, _ = prepare(tmp_path / "stage", Credentials.from_folder(site.secrets / "dataset"), dataset=dataset)
    assert (record.counts["train"].files, record.counts["train"].read) == (3, len(reviews()) + 2)
    assert not (tmp_path / "stage/workspace/uid/run/data/train").exists(), "downloaded copies are removed"
