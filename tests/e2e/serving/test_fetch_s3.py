"""The `fetch` command against a real S3 server."""

from pathlib import Path

import boto3
import pytest

from devcluster import S3, Access
from finetune_api.failures import ExitCode
from finetune_api.parts.sources import parse_source
from finetune_trainer.artifact import MANIFEST_NAME, read_manifest, verify
from finetune_trainer.storage import Access as StorageAccess
from finetune_trainer.storage import Credentials, open_storage
from tests.e2e.serving.server_process import run_trainer

pytestmark = pytest.mark.cluster

URI = "s3://finetune/fetch-test/model"


@pytest.fixture
def s3(node: Access) -> S3:
    """The cluster's S3 server."""
    if node.s3 is None:
        pytest.skip("the cluster has no S3 server: set the AWS variables")
    return node.s3


@pytest.fixture
def secrets(s3: S3, tmp_path: Path) -> Path:
    """A folder like that of a mounted Secret."""
    folder = tmp_path / "secrets" / "output"
    folder.mkdir(parents=True)
    values = {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
    }
    for name, value in values.items():
        (folder / name).write_text(value)
    return folder.parent


@pytest.fixture
def published(models: Path, secrets: Path) -> str:
    """The digest of a model that was published to URI."""
    access = StorageAccess("spec.output.destination", Credentials.from_folder(secrets / "output"))
    open_storage(parse_source(URI), access).upload_tree(models / "chat", last=MANIFEST_NAME)
    return read_manifest(models / "chat").digest


def _fetch(digest: str, into: Path, secrets: Path, uri: str = URI):
    done = run_trainer("fetch", uri, "--digest", digest, "--into", into, "--secrets", secrets)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return done.returncode, said


def test_all_files_arrive_and_are_checked(published: str, secrets: Path, tmp_path: Path):
    code, said = _fetch(published, tmp_path / "model", secrets)
    assert code == 0, said
    assert verify(tmp_path / "model", published).digest == published


def test_a_changed_object_of_the_same_size_is_named(published: str, s3: S3, secrets: Path, tmp_path: Path):
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )
    place = {"Bucket": "finetune", "Key": "fetch-test/model/model.safetensors"}
    content = bytearray(client.get_object(**place)["Body"].read())
    content[-1] ^= 1
    client.put_object(**place, Body=bytes(content))
    code, said = _fetch(published, tmp_path / "model", secrets)
    assert code == ExitCode.MISSING_INPUT
    assert "model.safetensors" in said


def test_a_newer_model_in_the_same_place_is_refused(published: str, secrets: Path, tmp_path: Path):
    wanted = "sha256:" + "0" * 64
    code, said = _fetch(wanted, tmp_path / "model", secrets)
    assert code == ExitCode.MISSING_INPUT
    assert published in said
    assert wanted in said
    assert not (tmp_path / "model").exists()


def test_a_wrong_key_and_an_empty_place_are_told_apart(published: str, secrets: Path, tmp_path: Path):
    code, said = _fetch(published, tmp_path / "model", secrets, uri="s3://finetune/fetch-test/absent")
    assert (code, "s3://finetune/fetch-test/absent" in said) == (ExitCode.MISSING_INPUT, True)
    (secrets / "output" / "AWS_SECRET_ACCESS_KEY").write_text("wrong")
    code, said = _fetch(published, tmp_path / "model", secrets)
    assert (code, "denies access" in said) == (ExitCode.NO_ACCESS, True)
    assert "wrong" not in said
