"""What `helm test` runs in a pod: a FineTuneJob as a dry run, and the operator's metrics. Only the standard library."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
POLICY = "ValidatingAdmissionPolicy"
METRIC = "finetune_operator_"
ENOUGH_SECONDS = 60
TIMEOUT_SECONDS = 10
JOB: dict[str, Any] = {
    "apiVersion": "finetune.dev/v1alpha1",
    "kind": "FineTuneJob",
    "metadata": {"name": "helm-test"},
    "spec": {
        "model": {"source": "hf://organisation/model"},
        "task": "SequenceClassification",
        "dataset": {"train": {"source": "s3://bucket/train.csv"}},
        "output": {"destination": "s3://bucket/models"},
    },
}


def dry_run(namespace: str) -> str:
    """Ask the API server whether it would take a FineTuneJob. Raises HTTPError with what it says against it."""
    url = f"https://kubernetes.default.svc/apis/finetune.dev/v1alpha1/namespaces/{namespace}/finetunejobs?dryRun=All"
    token = (ACCOUNT / "token").read_text()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(JOB).encode(), headers)
    try:
        with urllib.request.urlopen(
            request, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        ) as answer:
            defaults = json.load(answer)["spec"]["training"]
    except urllib.error.HTTPError as error:
        message = json.load(error)["message"]
        if POLICY in message:
            return f"a FineTuneJob is held to the policies: {message}"
        sys.exit(f"the API server refuses a FineTuneJob: {message}")
    return f"the API server takes a FineTuneJob, and fills in {len(defaults)} defaults of its training"


def metrics(url: str) -> str:
    """Read the operator's metrics, for a while if it is only starting."""
    deadline = time.monotonic() + ENOUGH_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
                names = [line for line in answer.read().decode().splitlines() if line.startswith(METRIC)]
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{url} does not answer: {error}")
            time.sleep(1)
        else:
            return f"the operator tells {len(names)} figures" if names else sys.exit(f"{url} tells no {METRIC}*")


print(dry_run(os.environ["NAMESPACE"]))
print(metrics(os.environ["METRICS_URL"]))
