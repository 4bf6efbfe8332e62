"""Jobs in every state that an alert is about, and the means to spoil each and to mend it."""

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from devcluster import Access, Cluster
from finetune_api.handoff import Progress, Stage
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.runtime.progress_server import serve_progress
from tests.builders import Manifest
from tests.e2e.serving.server_process import Server, running_server
from tests.e2e.serving.tiny_models import publish_endless_model
from tests.integration.operator.operator_process import OperatorProcess
from tests.integration.operator.runs import progress
from tests.integration.operator.test_lifecycle import published
from tests.integration.operator.test_serving import make_available
from tests.integration.operator.workbench import Workbench
from tests.ports import free_port
from tests.prometheus import Prometheus

NAMESPACE, CLOSED = "alerting", "alerting-closed"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:operator"
WORKSPACE_BYTES = 4 << 20
TICK_SECONDS = 0.3
LONG_ANSWER_TOKENS = 800


class Trainer:
    """The real exporter of a training pod; what it tells of is played: no training stalls or slows down when told to.

    gpu_utilization stands in for NVIDIA's library, which needs a GPU.
    """

    def __init__(self, workspace: Path) -> None:
        self.loss, self.samples_per_second, self.stalls = 1.0, 100.0, False
        self.workspace = workspace
        self.address = f"127.0.0.1:{free_port()}"
        self._board = ProgressBoard("played")
        self._board.enter(Stage.TRAIN)
        serve_progress(self._board, int(self.address.rpartition(":")[2]), workspace)
        registry = CollectorRegistry()
        self.gpu_utilization = Gauge("finetune_trainer_gpu_utilization_ratio", "Played.", ["gpu"], registry=registry)
        self.gpu_utilization.labels("0").set(0.9)
        self.gpu_address = f"127.0.0.1:{free_port()}"
        self._gpu_server, _ = start_http_server(int(self.gpu_address.rpartition(":")[2]), "127.0.0.1", registry)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._train)
        self._thread.start()

    def _train(self) -> None:
        step = 0
        while not self._end.wait(TICK_SECONDS):
            self._board.update(loss=self.loss, samples_per_second=self.samples_per_second)
            if not self.stalls:
                step += 1
                self._board.step_done(step, None, 0)

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._gpu_server.shutdown()


class Clients:
    """Ask a server for completions of some length, time and again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tokens = LONG_ANSWER_TOKENS
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()))
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    async def _ask(self) -> None:
        while not self._end.is_set():
            with suppress(aiohttp.ClientError):
                await self.server.post("/v1/completions", {"prompt": "One", "max_tokens": self.tokens})
            await asyncio.sleep(0.1)


class Scene:
    """A namespace with its operator, jobs in all states, and a Prometheus that scrapes them."""

    def __init__(self, bench: Workbench, prometheus: Prometheus, folder: Path, stack: ExitStack) -> None:
        self.bench, self.prometheus, self.folder, self.stack = bench, prometheus, folder, stack
        self.pods: dict[str, Manifest] = {}
        self.model = publish_endless_model(folder / "model")
        self.clients: Clients | None = None

    def set_up(self) -> None:
        """Bring all jobs to where they are healthy, the one that is to wait for room last."""
        self.trainer = Trainer(self.stack.enter_context(_small_volume(self.folder / "workspace")))
        self.stack.callback(self.trainer.close)
        for name, gpus in (("trains", 1), ("bad", 0), ("nan", 0), ("store", 0)):
            self._train(name, gpus)
        for address in (self.trainer.address, self.trainer.gpu_address):
            self.prometheus.scrape(self.pods["trains"], address)
        for name, replicas in (("down", 1), ("half", 2)):
            self._serve(name, replicas)
        for name in ("image", "queued"):
            self.bench.submit(name, compute={"gpus": 1})
            self.pods[name] = self.bench.wait_for_pod(name)

    def _train(self, name: str, gpus: int) -> None:
        self.bench.submit(name, compute={"gpus": gpus} if gpus else {})
        self.pods[name] = self.bench.wait_for_pod(name)
        address = "127.0.0.9"
        if name == "store":
            address, self._tell = self.bench.serve_progress(self._progress(name))
        self.bench.run_pod(self.pods[name], address)
        self.bench.wait(name, phase="Training")

    def _progress(self, name: str, **fields: Any) -> Progress:
        return progress(self.bench.status(name), Stage.TRAIN, 1, **fields)

    def _serve(self, name: str, replicas: int) -> None:
        published(self.bench, name, serving={"enabled": True, "replicas": replicas})
        deployments = self.bench.until(lambda: self._of("deployments", name), len)
        make_available(self.bench, deployments[0])
        self.bench.wait(name, phase="Ready", reason="Serving")
        self.pods[name] = self._of("pods", name)[0]

    def _of(self, kind: str, name: str) -> list[Manifest]:
        """Return what serves a job."""
        names = {found["metadata"]["name"]: found for found in self.bench.get(kind)}
        return [found for own, found in names.items() if own.startswith(f"{name}-") and "-server" in own]

    # What is done to it.

    def waits_for_store(self, words: str | None) -> None:
        """Let the pod of `store` wait for a store, or go on."""
        self._tell(self._progress("store", waiting=words))

    def be_ready(self, name: str, *, ready: bool) -> None:
        """Let a serving pod be ready or not, as the kubelet finds it."""
        condition = {"type": "Ready", "status": str(ready)}
        self.bench.set_status("pod", self.pods[name]["metadata"]["name"], {"conditions": [condition]})

    def cannot_pull(self) -> None:
        """Let the image of job `image` be missing."""
        pod = self.pods["image"]
        self.bench.bind(pod)
        missing = {"waiting": {"reason": "ErrImagePull", "message": '"trainer:test": not found'}}
        self.bench.report_pod(pod, {"trainer": missing})

    def fill_workspace(self) -> None:
        """Leave no room in the volume of `trains`."""
        with suppress(OSError):
            (self.trainer.workspace / "checkpoint").write_bytes(b"0" * WORKSPACE_BYTES)

    def ask_while_it_loads(self) -> None:
        """Start a server that is asked before it is ready, and for answers that take long."""
        server = self.stack.enter_context(
            running_server(self.folder / "model", self.model.digest, self.folder / "server.log", name="half")
        )
        self.prometheus.scrape(self.pods["half"], server.url.removeprefix("http://"))
        self.clients = Clients(server)
        self.stack.callback(self.clients.stop)

    def ask_no_more(self) -> None:
        """Leave the server alone."""
        if self.clients:
            self.clients.stop()

    def bar_statuses(self) -> None:
        """Refuse every status that the operator writes, and change one meanwhile."""
        self.bench.cluster.apply(*_policy())
        other = {"status": {"serving": {"digest": f"sha256:{'f' * 64}"}}}
        patch = ["patch", "ftj", "half", "--subresource=status", "--type=merge", "-p", json.dumps(other)]
        self.bench.until(self._is_barred, bool)
        self.bench.kubectl(*patch)

    def _is_barred(self) -> bool:
        told = self.bench.try_kubectl(
            *("patch", "ftj", "half", "--subresource=status", "--type=merge", "-p", '{"status":{"message":"?"}}'),
            *("--as", ACCOUNT, "--dry-run=server"),
        )
        return "kept for the alerts" in told

    def touch(self) -> None:
        """Have `half` looked at."""
        self.bench.kubectl("annotate", "ftj", "half", f"touched={time.time()}", "--overwrite")

    def free_statuses(self) -> None:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            self.bench.kubectl("delete", kind, NAMESPACE)

    def hold_up(self, number: signal.Signals) -> None:
        """Stop the API server, before a write that is about to come, or let it go on."""
        assert isinstance(self.bench.cluster, Cluster)
        server = self.bench.cluster.record().processes["kube-apiserver"].pid
        if number == signal.SIGCONT:
            os.kill(server, number)
            return
        waits = self._progress("store", waiting="for a store that does not answer")
        self.stack.callback(os.kill, server, signal.SIGCONT)
        os.kill(server, number)
        self._tell(waits)

    def usurp(self) -> None:
        """Let another hold the Lease, and a new process of the operator stand by."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "finetune-operator", "namespace": NAMESPACE},
            "spec": {
                "holderIdentity": "usurper",
                "leaseDurationSeconds": 3600,
                "acquireTime": now,
                "renewTime": now,
            },
        }
        self.bench.apply(lease)
        self.bench.operator.start(FINETUNE_LEADER_ELECTION="on", FINETUNE_LEASE_NAMESPACE=NAMESPACE)


def open_namespace(api: Access, namespace: str) -> None:
    """Give the operator all rights in a namespace."""
    account = f"--serviceaccount={NAMESPACE}:operator"
    api.run_kubectl("-n", namespace, "create", "rolebinding", "operator", "--clusterrole=cluster-admin", account)


@contextmanager
def operated(api: Access, folder: Path, port: int) -> Iterator[Workbench]:
    """An operator with a ServiceAccount's rights in two namespaces."""
    for namespace in (NAMESPACE, CLOSED):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        open_namespace(api, namespace)
    api.run_kubectl("-n", NAMESPACE, "create", "serviceaccount", "operator")
    kubeconfig = json.loads(api.run_kubectl("config", "view", "--raw", "-o", "json"))
    token = api.run_kubectl("-n", NAMESPACE, "create", "token", "operator").strip()
    kubeconfig["users"][0]["user"] = {"token": token}
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    own = {"KUBECONFIG": str(folder / "kubeconfig")}
    process = OperatorProcess(api, f"{NAMESPACE},{CLOSED}", port, **own)
    process.start()
    bench = Workbench(api, NAMESPACE, process)
    try:
        yield bench
    finally:
        process.kill()
        bench.close()
        api.run_kubectl("delete", "namespace", CLOSED, "--wait=false")


def _policy() -> tuple[Manifest, Manifest]:
    """Bar the operator from writing statuses."""
    api = "admissionregistration.k8s.io/v1"
    statuses = {
        "apiGroups": ["finetune.dev"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["finetunejobs/status"],
    }
    policy = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAMESPACE},
        "spec": {
            "matchConstraints": {"resourceRules": [statuses]},
            "matchConditions": [{"name": "operator", "expression": f"request.userInfo.username == '{ACCOUNT}'"}],
            "validations": [{"expression": "false", "message": "statuses are kept for the alerts"}],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAMESPACE},
        "spec": {"policyName": NAMESPACE, "validationActions": ["Deny"]},
    }
    return policy, binding


@contextmanager
def _small_volume(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={WORKSPACE_BYTES}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
