"""URIs of models, data and results."""

import pytest

from finetune_api.parts.sources import Source, parse_source


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("hf://gpt2", Source("hf", "gpt2", "")),
        ("hf://org/some.model-1_b", Source("hf", "org/some.model-1_b", "")),
        ("s3://bucket", Source("s3", "bucket", "")),
        ("s3://bucket/", Source("s3", "bucket", "")),
        ("s3://bucket/a/b c/train.csv", Source("s3", "bucket", "a/b c/train.csv")),
        ("pvc://claim/models/base", Source("pvc", "claim", "models/base")),
        ("pvc://claim", Source("pvc", "claim", "")),
        ("s3://bucket/..hidden/a...b", Source("s3", "bucket", "..hidden/a...b")),
    ],
)
def test_well_formed(uri: str, source: Source):
    assert parse_source(uri) == source
    assert str(source) == uri.rstrip("/")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "bucket/path",
        "s3:/bucket",
        "s3://",
        "s3:///path",
        "pvc:///",
        "http://host/file.csv",
        "S3://bucket/path",
        "hf://a/b/c",
        "hf://../secrets",
        "pvc://Claim/path",
        "pvc://claim_1/path",
        "pvc://claim/../other",
        "pvc://claim/a/..",
        "s3://bucket/./a",
    ],
)
def test_malformed_is_named_with_the_accepted_forms(uri: str):
    with pytest.raises(ValueError, match="expected one of: hf://name or hf://organisation/name, s3://") as error:
        parse_source(uri)
    assert repr(uri) in str(error.value)


@pytest.mark.parametrize(
    "uri",
    ["s3://key:secret@bucket/path", "s3://bucket/a.csv?X-Signature=secret", "hf://user:secret@org/name", "secret@"],
)
def test_credentials_are_refused_and_not_repeated(uri: str):
    with pytest.raises(ValueError, match=r"must not carry credentials.*name a Secret in secretRef") as error:
        parse_source(uri)
    assert "secret@" not in str(error.value)
    assert "=secret" not in str(error.value)


def test_child_goes_below_the_path():
    assert str(parse_source("s3://bucket").child("run")) == "s3://bucket/run"
    assert str(parse_source("pvc://claim/a").child("run")) == "pvc://claim/a/run"
