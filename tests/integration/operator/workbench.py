"""One namespace of a real API server, with helpers that play the user and the kubelet."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from devcluster import Access, CommandFailed
from finetune_api.handoff import PROGRESS_PORT, Progress, TerminationReport
from finetune_operator.manifests import timestamp
from finetune_operator.resource.containers import TRAINER
from tests.builders import Manifest, finetune_job
from tests.integration.operator.operator_process import OperatorProcess

T = TypeVar("T")
POLL_SECONDS = 0.4
"""Each look is a kubectl of its own, which costs a tenth of a second of a processor that all tests share."""
NODE = "node-1"


class Workbench:
    """kubectl in one namespace, waiting, and pods' states as a kubelet would report them."""

    def __init__(self, cluster: Access, namespace: str, operator: OperatorProcess) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.operator = operator
        self._servers: list[subprocess.Popen[bytes]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="progress-")  # goes with this object

    # The user.

    def kubectl(self, *arguments: str, input_text: str | None = None) -> str:
        return self.cluster.run_kubectl("--namespace", self.namespace, *arguments, input_text=input_text)

    def try_kubectl(self, *arguments: str) -> str:
        """Return what kubectl says, be it an error."""
        try:
            return self.kubectl(*arguments)
        except CommandFailed as error:
            return str(error)

    def apply(self, manifest: Manifest) -> None:
        self.kubectl("apply", "-f", "-", input_text=json.dumps(manifest))

    def submit(self, name: str = "job", **spec: Any) -> str:
        self.apply(finetune_job(name, self.namespace, **spec))
        return name

    def edit(self, name: str, **spec: Any) -> None:
        self.kubectl("patch", "ftj", name, "--type=merge", "--patch", json.dumps({"spec": spec}))

    def get(self, kind: str, name: str | None = None) -> Any:
        """Return one object (None when absent), or all of a kind."""
        try:
            found = json.loads(self.kubectl("get", kind, *([name] if name else []), "-o", "json"))
        except CommandFailed:
            return None
        return found if name else found["items"]

    def status(self, name: str = "job") -> Manifest:
        found: Manifest = (self.get("ftj", name) or {}).get("status") or {}
        return found

    def events(self, name: str = "job") -> list[str]:
        """Return the reasons of the Events about a FineTuneJob, oldest first."""
        fields = f"involvedObject.kind=FineTuneJob,involvedObject.name={name}"
        found = json.loads(self.kubectl("get", "events", "--field-selector", fields, "-o", "json"))["items"]
        return [event["reason"] for event in sorted(found, key=lambda event: str(event.get("eventTime")))]

    # Waiting.

    def until(self, read: Callable[[], T], holds: Callable[[T], Any], timeout_seconds: float = 30) -> T:
        """Return the first value for which `holds` is true; fail with the last one, and the operator's log."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            value = read()
            if holds(value):
                return value
            if time.monotonic() > deadline:
                log = self.operator.log.read_text()[-3000:]
                pytest.fail(f"not within {timeout_seconds} s; last seen: {json.dumps(value)[:3000]}\n{log}")
            time.sleep(POLL_SECONDS)

    def wait(self, name: str = "job", timeout_seconds: float = 30, **fields: str) -> Manifest:
        """Return the status once its top-level fields, such as phase and reason, are these."""
        return self.until(
            lambda: self.status(name),
            lambda status: all(status.get(field) == value for field, value in fields.items()),
            timeout_seconds,
        )

    def wait_for_pod(self, running_job: str | None = None, but: str = "") -> Manifest:
        """Return the one live training pod, other than the pod named `but`."""

        def live() -> list[Manifest]:
            pods = self.get("pods")
            return [
                pod
                for pod in pods
                if not pod["metadata"].get("deletionTimestamp")
                and pod["metadata"]["name"] != but
                and pod["status"].get("phase") in ("Pending", "Running")
                and (running_job is None or pod["metadata"]["name"].startswith(running_job))
            ]

        (pod,) = self.until(live, lambda pods: len(pods) == 1, 30)
        return pod

    def writes_in(self, seconds: float) -> dict[str, float]:
        """Return what the operator writes in the next seconds, by verb and kind."""
        before = self.operator.writes()
        time.sleep(seconds)
        after = self.operator.writes()
        return {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}

    # The kubelet.

    def bind(self, pod: Manifest) -> None:
        """Give the pod a node."""
        name = pod["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding"
        self.cluster.run_kubectl("create", "--raw", path, "-f", "-", input_text=json.dumps(binding))

    def set_status(self, kind: str, name: str, status: Manifest) -> None:
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def run_pod(self, pod: Manifest, address: str = "127.0.0.9") -> None:
        """Bind the pod and let its trainer run at this address."""
        self.bind(pod)
        started = {"running": {"startedAt": timestamp(datetime.now(UTC))}}
        ips = [{"ip": address}]
        self.report_pod(pod, {TRAINER: started}, phase="Running", podIP=address, podIPs=ips)

    def end_pod(self, pod: Manifest, exit_code: int, report: TerminationReport | None = None, reason: str = "") -> None:
        """Let the trainer end."""
        end: Manifest = {"exitCode": exit_code, "reason": reason or ("Completed" if exit_code == 0 else "Error")}
        if report:
            end["message"] = json.dumps(report.to_wire())
        phase = "Succeeded" if exit_code == 0 else "Failed"
        self.report_pod(pod, {TRAINER: {"terminated": end}}, phase=phase)

    def report_pod(self, pod: Manifest, states: Manifest, **status: Any) -> None:
        """Report the pod with these states of its containers, by their names; one that it lacks is as if injected."""
        own = pod["spec"]["containers"][0]
        containers = [
            {
                "name": name,
                "image": own["image"],
                "imageID": "",
                "ready": "running" in state,
                "restartCount": 0,
                "state": state,
            }
            for name, state in states.items()
        ]
        self.set_status("pod", pod["metadata"]["name"], {"containerStatuses": containers, **status})

    def reap(self) -> None:
        """Let pods that are being deleted go, as a kubelet does once their containers have ended."""
        for pod in self.get("pods"):
            if pod["metadata"].get("deletionTimestamp"):
                self.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")

    def serve_progress(self, progress: Progress) -> tuple[str, Callable[[Progress], None]]:
        """Answer GET /progress as a training pod; return the address, and a function that changes the answer."""
        file = Path(self._folder.name, f"{len(self._servers)}")

        def tell(changed: Progress) -> None:
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(changed.to_wire()))
            fresh.replace(file)

        tell(progress)
        server = self.cluster.run_kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
        address = urlsplit(server).hostname or ""
        # The host's own port may be taken; the cluster's network is the tests' alone.
        enter = ["nsenter", f"--net=/run/netns/finetune-{self.cluster.name}", sys.executable]
        script = Path(__file__).with_name("progress_server.py")
        self._servers.append(subprocess.Popen([*enter, str(script), address, str(PROGRESS_PORT), str(file)]))
        return address, tell

    def stop_progress(self) -> None:
        """Let no pod answer any more."""
        for server in self._servers:
            server.kill()
            server.wait()
        self._servers.clear()

    def close(self) -> None:
        """Stop what was started, and let the namespace go."""
        self.stop_progress()
        self.cluster.run_kubectl("delete", "namespace", self.namespace, "--wait=false")
        self.reap()
