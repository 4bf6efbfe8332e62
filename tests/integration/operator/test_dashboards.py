"""The dashboards show something: every panel's query, asked of a real Prometheus that scrapes a real run.

A real operator takes a job from its submission to its server; training and serving pods are the real programs, with the
job file that the operator wrote. Only the kubelet is played.
"""

import asyncio
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.draw import draw
from dashboards.reading import Board, Target, boards, filled
from devcluster import Access
from finetune_api.failures import FailureClass
from finetune_api.handoff import PRETENDED_GPUS, PROGRESS_PORT, TerminationReport
from tests.builders import Manifest
from tests.e2e.serving.server_process import Server, running_server
from tests.e2e.trainer.tiny_data import chat_pairs
from tests.e2e.trainer.tiny_models import make_decoder
from tests.integration.operator.operator_process import OperatorProcess
from tests.integration.operator.runs import failure
from tests.integration.operator.test_serving import make_available
from tests.integration.operator.workbench import Workbench
from tests.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[3]
ALERTS = ROOT / "charts/finetune-operator/files/alerts.yaml"
OPERATOR_PORT = 18390
OPERATOR = f"127.0.0.1:{OPERATOR_PORT}"
NAMESPACE = "dashboards"
RATE_SECONDS = 15
NEED_A_GPU = ("GPU utilization", "GPU memory")
BOARDS = boards()
ASKED = {board.name: list(board.targets) for board in BOARDS}
PICTURES = os.environ.get("DASHBOARD_PICTURES", "")
"""Folder for pictures of what was shown, such as docs/pictures: none, unless a person wants them."""
STEPS, SERVED_SECONDS = (160, 30) if PICTURES else (40, 0)


class Screen:
    """What a person would have seen who opened all dashboards: keeps what each query answered last."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.prometheus = prometheus
        self.since = time.time()
        self.shown: dict[str, dict[Target, list[dict[str, Any]]]] = {board.name: {} for board in BOARDS}

    def look(self, *, only_dark: bool = True) -> None:
        """Ask the queries that have shown nothing so far, or all."""
        for board in BOARDS:
            shown = self.shown[board.name]
            for target in board.targets:
                if not (only_dark and target in shown) and (answer := self._answer(board, target)):
                    shown[target] = answer

    def dark(self) -> list[str]:
        """Return the queries that have shown nothing."""
        missing = (
            (board, target) for board in BOARDS for target in board.targets if target not in self.shown[board.name]
        )
        return [f"{board.name}: {one.panel}: {one.expression}" for board, one in missing if one.panel not in NEED_A_GPU]

    def _answer(self, board: Board, target: Target) -> list[dict[str, Any]]:
        return next(filter(None, (self._ask(target, variables) for variables in choices(board))), [])

    def _ask(self, target: Target, variables: dict[str, str]) -> list[dict[str, Any]]:
        """Return what is not only NaN."""
        now = time.time()
        asked = filled(target.expression, variables, math.ceil(now - self.since), RATE_SECONDS)
        if target.instant:
            return [sample for sample in self.prometheus.query(asked) if sample["value"][1] != "NaN"]
        series = self.prometheus.query_range(asked, self.since, now)
        return [found for found in series if any(value != "NaN" for _, value in found["values"])]


def choices(board: Board) -> Iterator[dict[str, str]]:
    """Choose as a person does: all that there are where a variable takes several, else each of the jobs."""
    everything = {variable["name"]: ".+" for variable in board.variables}
    jobs = ("assistant",) if PICTURES else ("assistant", "broken")  # a picture is of one job
    for name in jobs if board.name == "job" else (".+",):
        yield everything | {"name": name} | ({"namespace": NAMESPACE} if board.name == "job" else {})


@contextmanager
def operated(api: Access, namespace: str) -> Iterator[Workbench]:
    """A namespace with an operator that knows what a GPU costs."""
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    price = {"FINETUNE_GPU_HOUR_PRICE": "2.5", "FINETUNE_CURRENCY": "EUR"}
    process = OperatorProcess(api, namespace, OPERATOR_PORT, **price)
    process.start()
    bench = Workbench(api, namespace, process)
    try:
        yield bench
    finally:
        process.kill()
        bench.close()


def submit_assistant(bench: Workbench, volumes: Path) -> None:
    """A job that prefers one answer to another, from claims, on a GPU that only the cluster knows of."""
    make_decoder(volumes / "models/decoder")
    (volumes / "data").mkdir()
    (volumes / "out").mkdir()
    for name in ("train", "test"):
        (volumes / f"data/{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in chat_pairs()))
    none = {"secretRef": None}
    bench.submit(
        "assistant",
        model={"source": "pvc://models/decoder", **none},
        task="DPO",
        dataset={
            "train": {"source": "pvc://data/train.jsonl"},
            "evaluation": {"source": "pvc://data/test.jsonl"},
            **none,
        },
        training={
            "maxSteps": STEPS,
            "batchSize": 4,
            "learningRate": 3e-4,
            "loggingIntervalSteps": 2,
            "evaluationIntervalSteps": 20,
        },
        evaluation={"baseline": True, "maxNewTokens": 2},
        compute={"gpus": 1},
        output={"destination": "pvc://out", **none},
        serving={"enabled": True},
    )


@contextmanager
def trainer(bench: Workbench, volumes: Path, folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """The real trainer at the job file of the only run, in the cluster's network."""
    (config_map,) = [found for found in bench.get("configmaps") if found["metadata"]["name"].startswith("assistant")]
    (folder / "job.json").write_text(next(iter(config_map["data"].values())))
    places = {"workspace": folder / "workspace", "volumes": volumes, "termination-log": folder / "end"}
    arguments = [text for name, place in places.items() for text in (f"--{name}", str(place))]
    command = [sys.executable, "-m", "finetune_trainer", "run", str(folder / "job.json"), *arguments]
    enter = ["nsenter", f"--net=/run/netns/finetune-{bench.cluster.name}"]
    own = {PRETENDED_GPUS: "on", "OMP_NUM_THREADS": "1"}
    with (folder / "trainer.log").open("wb") as log:
        process = subprocess.Popen([*enter, *command], env={**os.environ, **own}, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def fail_another(bench: Workbench) -> None:
    """A job that fails, and one that finds no node."""
    bench.submit("broken")
    pod = bench.wait_for_pod("broken")
    bench.run_pod(pod)
    status = bench.status("broken")
    bench.end_pod(pod, 65, failure(status, FailureClass.BAD_DATA, "train.csv, row 7: no label"))
    bench.submit("waiting", compute={"gpus": 1})


async def ask(server: Server) -> None:
    """Ask as clients do: a whole answer, one as a stream, and one that cannot be given."""
    body = {"messages": [{"role": "user", "content": "Describe a kettle."}], "max_tokens": 8}
    await server.stream("/v1/chat/completions", body)
    await asyncio.gather(*(server.post("/v1/chat/completions", body) for _ in range(3)))
    await server.post("/v1/completions", {"prompt": 7})


def serve(bench: Workbench, screen: Screen, volumes: Path, folder: Path) -> None:
    """Serve what was published, and let clients ask until all panels have shown something."""
    status = bench.until(lambda: bench.status("assistant"), lambda found: "artifact" in found)
    (deployment,) = bench.until(lambda: bench.get("deployments"), len)
    model = volumes / status["artifact"]["uri"].removeprefix("pvc://")
    with running_server(model, status["artifact"]["digest"], folder / "server.log", name="assistant") as server:
        make_available(bench, deployment)
        pod = next(found for found in bench.get("pods") if "server" in found["metadata"]["name"])
        screen.prometheus.scrape(pod, server.url.removeprefix("http://"))
        asyncio.run(server.wait_ready())
        start = time.monotonic()
        while (waited := time.monotonic() - start) < SERVED_SECONDS or (screen.dark() and waited < 30):
            asyncio.run(ask(server))
            screen.look(only_dark=not PICTURES)


def at_once(folder: Path) -> Path:
    """Write the chart's alerts without the time that they wait, which no test has."""
    rules: dict[str, Any] = yaml.safe_load(ALERTS.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("for", None)
    (folder / "alerts.yaml").write_text(yaml.safe_dump(rules))
    return folder / "alerts.yaml"


def node_address(bench: Workbench) -> str:
    server = bench.cluster.run_kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    return server.removeprefix("https://").rpartition(":")[0]


@pytest.mark.slow
def test_every_panel_shows_something(api: Access, tmp_path: Path) -> None:
    volumes = tmp_path / "volumes"
    with operated(api, NAMESPACE) as bench, running_prometheus(tmp_path, OPERATOR, at_once(tmp_path)) as prometheus:
        screen = Screen(prometheus)
        submit_assistant(bench, volumes)
        pod: Manifest = bench.wait_for_pod("assistant")
        # What a counter begins with is not seen: the namespace's are to be there before they count.
        bench.until(lambda: prometheus.query("finetune_queue_wait_seconds_count"), len)
        address = node_address(bench)
        with trainer(bench, volumes, tmp_path) as process:
            bench.run_pod(pod, address)
            prometheus.scrape(bench.get("pod", pod["metadata"]["name"]), f"{address}:{PROGRESS_PORT}")
            fail_another(bench)
            while process.poll() is None:
                screen.look(only_dark=not PICTURES)
                time.sleep(2)
        report = TerminationReport.model_validate_json((tmp_path / "end").read_bytes())
        assert process.returncode == 0, (tmp_path / "trainer.log").read_text()
        bench.end_pod(pod, 0, report)
        serve(bench, screen, volumes, tmp_path)
    for board in BOARDS if PICTURES else ():
        draw(board, screen.shown[board.name], Path(PICTURES) / f"{board.name}.png")
    assert PICTURES or not screen.dark(), "\n".join(screen.dark())


def test_an_alert_fires_while_the_operator_is_down_and_only_then(api: Access, tmp_path: Path) -> None:
    namespace = "alerts"
    with operated(api, namespace) as bench, running_prometheus(tmp_path, OPERATOR, at_once(tmp_path)) as prometheus:
        up = "finetune_operator_build_info"
        bench.until(lambda: prometheus.query(up), len)

        def firing() -> list[dict[str, Any]]:
            names = ("FineTuneOperatorDown", "FineTuneOperatorNoLeader")
            return [found for found in prometheus.alerts() if found["labels"]["alertname"] in names]

        bench.until(firing, lambda found: not found)
        bench.operator.kill()
        (alert,) = bench.until(firing, len)
        assert alert["state"] == "firing"
        assert alert["annotations"]["summary"] == "No finetune-operator answers."
        bench.operator.start()
        bench.until(firing, lambda found: not found)
