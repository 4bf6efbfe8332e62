"""Only what passes by itself is unavailable, and waited for; what somebody has to mend is told at once."""

import datetime
import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import hf_xet
import huggingface_hub
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError, NoRegionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from finetune_api.parts.sources import parse_source
from finetune_trainer.errors import BadSpec, MissingInput, NoAccess, TrainerError, Unavailable
from finetune_trainer.storage import Access, Credentials, StoredFile, open_storage, pvc, s3

FIELD = "spec.output.destination"
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "r"}


class Store(ThreadingHTTPServer):
    """Answers every request alike, in the words of S3; clients of the Hub read the status only."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status, self.code = 200, ""

    def handle_error(self, *_: object) -> None:
        """Keep quiet about clients that do not trust the certificate."""


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Store

    def do_GET(self) -> None:
        body = f"<Error><Code>{self.server.code}</Code><Message>words</Message></Error>".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store, asked once."""
    monkeypatch.setattr(s3, "CLIENT_CONFIG", s3.CLIENT_CONFIG.merge(Config(retries={"total_max_attempts": 1})))
    store = Store()
    threading.Thread(target=store.serve_forever, daemon=True).start()
    yield store
    store.shutdown()
    store.server_close()


@pytest.fixture
def silent_store() -> Iterator[socket.socket]:
    """A store that is frozen: its kernel takes connections, and nobody ever reads from them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def _bucket(address: str | None) -> s3.S3Storage:
    credentials = Credentials({**KEYS, **({"AWS_ENDPOINT_URL": address} if address else {})})
    return s3.S3Storage(parse_source("s3://bucket/path"), Access(FIELD, credentials))


def _hub(address: str):
    credentials = Credentials({"HF_ENDPOINT": address})
    return open_storage(parse_source("hf://team/model"), Access("spec.model.source", credentials))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (429, "TooManyRequests", Unavailable),
        (400, "RequestTimeout", Unavailable),
        (400, "BadDigest", Unavailable),
        (404, "NoSuchUpload", Unavailable),
        (409, "OperationAborted", Unavailable),
        (503, "SlowDown", Unavailable),
        (507, "XMinioStorageFull", BadSpec),
        (403, "QuotaExceeded", BadSpec),
        (504, "", Unavailable),
        (501, "NotImplemented", BadSpec),
        (400, "InvalidRequest", BadSpec),
        (403, "AccessDenied", NoAccess),
        (404, "NoSuchBucket", MissingInput),
    ],
)
def test_what_a_bucket_answers(store: Store, tmp_path: Path, status: int, code: str, error: type[TrainerError]):
    store.status, store.code = status, code
    bucket = _bucket(f"http://127.0.0.1:{store.server_port}")
    with pytest.raises(error) as told:
        bucket.list_files()
    assert told.value.field == FIELD
    (tmp_path / "file").write_text("x")
    with pytest.raises(error):
        bucket.upload_tree(tmp_path, "file")


def test_a_store_that_takes_requests_and_never_answers_is_told_after_about_a_minute(
    silent_store: socket.socket, monkeypatch: pytest.MonkeyPatch
):
    limits, scale = s3.CLIENT_CONFIG, 100
    monkeypatch.setattr(s3, "CLIENT_CONFIG", limits.merge(Config(read_timeout=limits.read_timeout / scale)))
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))
    port = silent_store.getsockname()[1]
    bucket = _bucket(f"http://127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port} does not answer: Read timeout") as told:
        bucket.read("file")
    attempts = len(waits) + 1
    assert time.monotonic() - began >= attempts * limits.read_timeout / scale
    assert attempts * limits.read_timeout == 60
    assert sum(waits) < 10
    assert told.value.field == FIELD


@pytest.mark.parametrize("cause", [EndpointConnectionError(endpoint_url="u"), "InvalidAccessKeyId", "NoSuchBucket"])
def test_where_no_store_is_named_and_amazons_does_not_know_the_job_the_key_to_set_is_told(cause: Exception | str):
    error = cause if isinstance(cause, Exception) else ClientError({"Error": {"Code": cause}}, "GetObject")
    hint = "set AWS_ENDPOINT_URL to its address"
    for address, expected in ((None, True), ("http://127.0.0.1:9", False)):
        bucket = _bucket(address)
        with pytest.raises(TrainerError) as told, bucket._errors():
            raise error
        assert (hint in told.value.message) is expected


def test_a_named_store_that_does_not_answer_may_be_named_wrongly():
    with pytest.raises(Unavailable, match="if it never did, check AWS_ENDPOINT_URL"):
        _bucket("http://127.0.0.1:9").read("file")


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Unavailable),
        (NoRegionError(), BadSpec),
        (ClientError({"Error": {"Code": "InvalidPart"}}, "CompleteMultipartUpload"), Unavailable),
    ],
)
def test_transfers_that_break_off_are_no_wrong_settings(cause: Exception, error: type[TrainerError]):
    bucket = _bucket("http://127.0.0.1:9")
    with pytest.raises(error), bucket._errors():
        raise cause


@pytest.mark.parametrize(
    ("status", "error"),
    [(408, Unavailable), (429, Unavailable), (500, Unavailable), (400, BadSpec), (403, NoAccess), (501, BadSpec)],
)
def test_what_a_hub_answers(store: Store, status: int, error: type[TrainerError]):
    store.status = status
    hub = _hub(f"http://127.0.0.1:{store.server_port}")
    with pytest.raises(error):
        hub.resolve_revision()


@pytest.mark.parametrize(("status", "error"), [(400, BadSpec), (200, BadSpec)])
def test_a_hub_that_cannot_locate_a_file_for_good_is_no_network_that_fails(
    store: Store, tmp_path: Path, status: int, error: type[TrainerError]
):
    store.status = status
    hub = _hub(f"http://127.0.0.1:{store.server_port}")
    with pytest.raises(error, match="HF_ENDPOINT") as told:
        hub.fetch_files([StoredFile("config.json", 1)], tmp_path)
    assert told.value.field == "spec.model.source"


def test_a_setting_that_forbids_the_hub_is_not_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadSpec, match="HF_HUB_OFFLINE"):
        _hub(f"http://127.0.0.1:{store.server_port}").resolve_revision()


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (RuntimeError("Task error: CAS Client Error: error sending request"), Unavailable),
        (hf_xet.XetAuthenticationError("403"), NoAccess),
        (hf_xet.XetObjectNotFoundError("404"), MissingInput),
        (OSError("Consistency check failed: file should be of size 2"), Unavailable),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Unavailable),
    ],
)
def test_the_hubs_store_of_large_files_is_a_store_too(raised: Exception, error: type[TrainerError]):
    with pytest.raises(error), _hub("http://127.0.0.1:9")._errors():
        raise raised


@pytest.mark.parametrize(
    "raised",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("IO Error: No space left on device (os error 28)")],
)
def test_a_full_disk_is_not_the_hubs_doing(raised: Exception):
    with pytest.raises(type(raised)) as told, _hub("http://127.0.0.1:9")._errors():
        raise raised
    assert told.value is raised


@pytest.mark.parametrize("ask", [lambda at: _bucket(at).list_files(), lambda at: _hub(at).resolve_revision()])
def test_a_certificate_that_is_not_trusted_is_told_with_the_field(
    store: Store, tmp_path: Path, ask: Callable[[str], object]
):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(tmp_path / "own.pem"))
    store.socket = context.wrap_socket(store.socket, server_side=True)
    with pytest.raises(NoAccess, match=r"does not trust \(self-signed certificate\).*spec\.compute\.caBundle"):
        ask(f"https://127.0.0.1:{store.server_port}")


def _certificate(path: Path) -> Path:
    """Write a key and its certificate, which no authority has signed."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    path.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EIO, Unavailable),
        (errno.ESTALE, Unavailable),
        (errno.ETIMEDOUT, Unavailable),
        (errno.ENAMETOOLONG, BadSpec),
        (errno.ENOTDIR, BadSpec),
        (errno.ENOSPC, BadSpec),
        (errno.EROFS, NoAccess),
    ],
)
def test_a_volume_that_fails_while_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[TrainerError]
):
    """Copying of trees collects the words of errors; the number of the first one decides."""
    (tmp_path / "volumes/out").mkdir(parents=True)
    (tmp_path / "model").mkdir()
    for name in ("a", "b"):
        (tmp_path / "model" / name).write_text("x")
    tried = []

    def copyfile(source: str, target: str) -> None:
        tried.append(source)
        raise OSError(number, "words", target)

    monkeypatch.setattr(pvc.shutil, "copyfile", copyfile)
    volume = open_storage(parse_source("pvc://out/model"), Access(FIELD, volumes=tmp_path / "volumes"))
    with pytest.raises(error) as told:
        volume.upload_tree(tmp_path / "model", "b")
    assert told.value.field == FIELD
    assert len(tried) == 1
    assert ("enlarge it, then set spec.retry" in told.value.message) == (number == errno.ENOSPC)


@pytest.mark.parametrize(("status", "code"), [(403, "QuotaExceeded"), (507, "XMinioStorageFull")])
def test_a_full_bucket_is_told_with_how_the_run_goes_on(store: Store, status: int, code: str):
    store.status, store.code = status, code
    with pytest.raises(BadSpec, match=rf"no room left for bucket 'bucket' \({code}\).*set spec\.retry to a new value"):
        _bucket(f"http://127.0.0.1:{store.server_port}").probe()


def test_a_path_that_no_file_system_takes_is_told(tmp_path: Path):
    (tmp_path / "out").mkdir()
    source = parse_source(f"pvc://out/{'x' * 300}")
    with pytest.raises(BadSpec, match="File name too long"):
        open_storage(source, Access("spec.model.source", volumes=tmp_path)).fetch_tree(tmp_path)
