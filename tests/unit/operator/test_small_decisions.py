"""Small pure pieces: progress, settings, the watchdog, Events."""

import pytest

from finetune_api.handoff import Metrics
from finetune_api.status import MetricsStatus
from finetune_api.tasks import TaskOptions
from finetune_api.tasks.sequence_classification import SequenceClassificationOptions
from finetune_api.tasks.sft import SFTOptions
from finetune_operator.errors import SettingsError
from finetune_operator.reconcile.event import event
from finetune_operator.settings import read_settings
from finetune_operator.state.plan import Note
from finetune_operator.state.status.progress import METRIC_LIMIT, duration, metrics_status, score
from finetune_operator.watchdog import Heartbeat, Watchdog
from tests.unit.operator.builders import NOW, Scene


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (250, "4m10s"), (3600, "1h00m"), (7505, "2h05m")]
)
def test_durations_are_for_people(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_figures_are_rounded_bounded_and_finite() -> None:
    figures = {f"m{index:03}": 0.123456789 for index in range(METRIC_LIMIT + 10)} | {"a": float("nan")}
    status = metrics_status(Metrics(evaluation=figures), None)
    assert status is not None
    assert status.evaluation is not None
    assert len(status.evaluation) == METRIC_LIMIT
    assert "a" not in status.evaluation
    assert status.evaluation["m000"] == 0.123457
    assert metrics_status(Metrics(), None) is None


def test_a_judgement_without_the_base_model_leaves_no_figures_of_the_one_before() -> None:
    known = metrics_status(Metrics(train={"loss": 1.0}, evaluation={"f1": 0.5}, baseline={"f1": 0.25}), None)
    judged = metrics_status(Metrics(evaluation={"f1": 0.75}), known, is_last_word=True)
    assert judged is not None
    assert (judged.train, judged.evaluation, judged.baseline) == ({"loss": 1.0}, {"f1": 0.75}, None)
    failed = metrics_status(Metrics(), known, is_last_word=True)
    assert failed == known


@pytest.mark.parametrize(
    ("options", "metrics", "shown"),
    [
        (SequenceClassificationOptions(), MetricsStatus(evaluation={"accuracy": 0.9123}), "0.912"),
        (SequenceClassificationOptions(problem_type="MultiLabel"), MetricsStatus(evaluation={"f1_micro": 1}), "1.000"),
        (SequenceClassificationOptions(problem_type="Regression"), MetricsStatus(evaluation={"r2": 0.25}), "0.250"),
        (
            SFTOptions(),
            MetricsStatus(evaluation={"loss": 1.5}, baseline={"loss": 3.25}),
            "1.500 (base 3.250, lower is better)",
        ),
        (SFTOptions(), MetricsStatus(evaluation={"loss": 1.5}), "1.500 (lower is better)"),
        (SFTOptions(), MetricsStatus(evaluation={"accuracy": 1}), None),
        (SFTOptions(), None, None),
    ],
)
def test_score_is_the_main_metric_of_the_options(
    options: TaskOptions, metrics: MetricsStatus | None, shown: str | None
) -> None:
    assert score(options, metrics) == shown


def test_settings_come_from_the_command_line_then_the_environment_then_the_default() -> None:
    environment = {"FINETUNE_WORKERS": "3", "FINETUNE_HTTP_PORT": "1", "FINETUNE_NAMESPACE": "a, b"}
    settings = read_settings(["--http-port", "2", "--identity", "me"], environment)
    assert (settings.workers, settings.http_port, settings.identity) == (3, 2, "me")
    assert settings.namespaces == ("a", "b")
    assert settings.resync_interval_seconds == 60
    assert settings.leader_election is True
    assert settings.custom_code is False
    assert read_settings([], {"FINETUNE_CUSTOM_CODE": "on"}).custom_code is True
    assert read_settings(["--namespace", "x", "--namespace", "y"], {}).namespaces == ("x", "y")


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--workers", "many"], {}, "--workers is 'many'; expected a whole number"),
        (["--workers", "0"], {}, "--workers is 0; at least 1 is needed"),
        (["--gpu-hour-price", "-1"], {}, "--gpu-hour-price is -1.0; it must be 0 or above"),
        ([], {"FINETUNE_LOG_FORMAT": "xml"}, "FINETUNE_LOG_FORMAT is 'xml'; expected one of: plain, json"),
        (["--progress-interval-seconds", "0"], {}, "--progress-interval-seconds is 0.0; it must be above 0"),
        (["--leader-election", "maybe"], {}, "--leader-election is 'maybe'; expected one of: on, off"),
    ],
)
def test_wrong_settings_are_named(arguments: list[str], environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match="^" + message.replace("(", r"\(")):
        read_settings(arguments, environment)


def test_watchdog_complains_of_stuck_work_and_a_stopped_resync() -> None:
    now, waited = 0.0, 0.0
    heartbeat = Heartbeat(clock=lambda: now)
    watchdog = Watchdog(lambda: waited, heartbeat, resync_interval_seconds=60)
    now = 10_000.0
    assert watchdog.complaints() == []
    heartbeat.beat()
    assert watchdog.complaints() == []
    waited = 500.0
    now += 1000.0
    complaints = watchdog.complaints()
    assert "a FineTuneJob has waited 500 s to be reconciled" in complaints
    assert "the last resync was 1000 s ago" in complaints


def test_event_fits_and_is_the_same_when_it_is_sent_again() -> None:
    resource = Scene("n" * 200).resource
    note = Note("BadData", "é" * 2000, warning=True)
    first, again = (event(resource, note, "replica-1", NOW) for _ in range(2))
    assert first == again
    assert len(first["note"].encode()) <= 1024
    assert len(first["metadata"]["name"]) <= 63
    assert (first["type"], first["regarding"]["uid"]) == ("Warning", "uid-of-job")
