"""One FineTuneJob starts from what another one has published, and from nothing else."""

from collections.abc import Callable

import pytest

from demo.inputs import s3_client
from tests.builders import Manifest
from tests.e2e.lifecycle.conftest import Bench, phase_is, reason_is

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

QUICK = {"training": {"epochs": 2, "batchSize": 16, "learningRate": 2e-3}}


def test_model_arrives_as_it_was_published_or_not_at_all(bench: Bench, job: Callable[..., Manifest]) -> None:
    base = job("-base", **QUICK)
    reader = job("-reader", **QUICK, model={"source": f"job://{base['metadata']['name']}", "secretRef": None})
    name = bench.apply(reader)
    bench.wait(name, reason_is("SourceNotFound"))
    published = bench.wait(bench.apply(base), phase_is("Succeeded", "Failed"))
    assert published["phase"] == "Succeeded", published
    status = bench.wait(name, phase_is("Succeeded", "Failed"))
    assert status["phase"] == "Succeeded", status
    assert status["sources"][0]["digest"] == published["artifact"]["digest"]
    # The base model of the second job has learnt the task already: it is the tuned model of the first.
    assert status["metrics"]["baseline"]["accuracy"] == published["metrics"]["evaluation"]["accuracy"] > 0.9

    assert bench.cluster.s3 is not None
    bucket, _, prefix = published["artifact"]["uri"].removeprefix("s3://").partition("/")
    store, file = s3_client(bench.cluster.s3), f"{prefix}/tokenizer_config.json"
    content = store.get_object(Bucket=bucket, Key=file)["Body"].read()
    store.put_object(Bucket=bucket, Key=file, Body=content + b"\n")
    reader["spec"]["training"]["seed"] = 7
    bench.apply(reader)
    status = bench.wait(name, phase_is("Failed"))
    assert status["reason"] == "MissingInput"
    owner = f"the files are not those that FineTuneJob {base['metadata']['name']} published"
    assert status["message"].startswith(f"spec.model.source: {owner}: ")
    assert "tokenizer_config.json has " in status["message"]
