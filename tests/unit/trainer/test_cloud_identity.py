"""S3 without a Secret: with the role that a cloud's webhook gives the pod's ServiceAccount."""

import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from finetune_api.parts.sources import parse_source
from finetune_trainer import config
from finetune_trainer.errors import NoAccess
from finetune_trainer.storage import Access, Credentials
from finetune_trainer.storage.s3 import S3Storage

ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ROLEKEY</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>InvalidIdentityToken</Code><Message>no</Message></Error></ErrorResponse>"""

ABSENT = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_REGION"),
    "LOGNAME",
)


class Cloud(ThreadingHTTPServer):
    """Stands for STS and S3 at once. accepts: whether STS takes the token. signers: who signed requests to S3."""

    accepts = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.signers: list[tuple[str, ...]] = []


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Cloud

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Ftrainer" in body
        assert "WebIdentityToken=token-of-the-pod" in body
        self._send(*((200, ASSUMED) if self.server.accepts else (400, REFUSED)))

    def do_GET(self) -> None:
        scope = re.search(r"Credential=(\w+)/\d+/([-\w]+)/s3", self.headers["Authorization"])
        assert scope
        self.server.signers.append(scope.groups())
        self._send(200, "content")

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """The pod's environment as EKS makes it."""
    cloud = Cloud()
    threading.Thread(target=cloud.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{cloud.server_port}"
    token = tmp_path / "token"
    token.write_text("token-of-the-pod")
    for name in ABSENT:
        monkeypatch.setenv(name, "restored to absence after the test")
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # It keeps credentials.
    for name, value in {
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/trainer",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": address,
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    umask = os.umask(0o022)
    config.settle_process()
    os.umask(umask)
    yield cloud
    cloud.shutdown()
    cloud.server_close()


def storage(**credentials: str) -> S3Storage:
    access = Access("spec.model.source", Credentials(credentials))
    return S3Storage(parse_source("s3://bucket/model"), access)


def test_where_no_secret_is_named_the_service_accounts_role_reads_and_the_webhooks_region_counts(cloud: Cloud) -> None:
    assert storage().read("config.json") == b"content"
    assert cloud.signers == [("ROLEKEY", "eu-central-1")]


def test_a_secret_with_only_a_region_leaves_the_credentials_to_the_role(cloud: Cloud) -> None:
    storage(AWS_REGION="eu-west-1").read("config.json")
    assert cloud.signers == [("ROLEKEY", "eu-west-1")]


def test_a_secret_with_keys_wins_over_the_role(cloud: Cloud) -> None:
    storage(AWS_ACCESS_KEY_ID="OWNKEY", AWS_SECRET_ACCESS_KEY="own").read("config.json")
    assert cloud.signers == [("OWNKEY", "eu-central-1")]


def test_a_role_that_does_not_trust_the_service_account_is_told_as_that(cloud: Cloud) -> None:
    cloud.accepts = False
    with pytest.raises(NoAccess, match=r"s3://bucket/model: the identity .* is refused \(InvalidIdentityToken\)"):
        storage().read("config.json")
