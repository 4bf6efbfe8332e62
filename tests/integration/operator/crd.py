"""The CRD on a cluster."""

import time
from pathlib import Path

from devcluster import Access, CommandFailed

CRD = Path(__file__).parents[3] / "crds/finetunejobs.yaml"
SERVED_WITHIN_SECONDS = 30


def install_crd(cluster: Access) -> None:
    """Apply the CRD and wait until FineTuneJobs are served."""
    cluster.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    deadline = time.monotonic() + SERVED_WITHIN_SECONDS
    while True:
        try:
            # `kubectl wait` fails on a CRD that has no conditions yet.
            cluster.run_kubectl("get", "finetunejobs.finetune.dev", "--all-namespaces")
        except CommandFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
