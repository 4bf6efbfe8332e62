"""The operator's settings: command line first, then the environment, then the default."""

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from finetune_api.traces import OTLP_ENDPOINT
from finetune_operator.desired.defaults import NO_DEFAULTS, InvalidDefaults, JobDefaults, read_defaults
from finetune_operator.desired.tracing import TraceExport
from finetune_operator.errors import SettingsError

PREFIX = "FINETUNE_"


@dataclass(frozen=True)
class Option:
    """One setting: `--name`, also read from FINETUNE_NAME, or from the variable that others know it by."""

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] | None = None
    known_as: str = ""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.known_as or PREFIX + self.name.upper().replace("-", "_")

    @property
    def field(self) -> str:
        """The name of the Settings field."""
        return self.name.replace("-", "_")


OPTIONS = (
    Option("trainer-image", "finetune.dev/trainer:dev", "image of the training and serving pods"),
    Option("namespace", "", "serve only this namespace; several with commas or by repeating (default: all)"),
    Option("http-port", 8080, "port of /livez, /healthz and /metrics"),
    Option("progress-interval-seconds", 5.0, "time between two reads of a training pod's progress"),
    Option("pending-interval-seconds", 4.0, "time between two looks at why a pod does not start"),
    Option("resync-interval-seconds", 60.0, "time between two comparisons of the cache with the API server"),
    Option("workers", 16, "FineTuneJobs that are reconciled at the same time"),
    Option("leader-election", "on", "let only one of several replicas act", ("on", "off")),
    Option("lease-name", "finetune-operator", "Lease of the leader election"),
    Option("lease-namespace", "", "namespace of that Lease (default: the pod's own, else default)"),
    Option("identity", "", "name of this replica in the Lease and in Events (default: the host's name)"),
    Option("custom-code", "off", "let jobs run reward functions and metrics of their own", ("on", "off")),
    Option("defaults", "", "JSON with what jobs get that do not say otherwise: pods, compute, serving, storage"),
    Option("gpu-hour-price", 0.0, "what a GPU costs per hour, for the metric finetune_cost_total (0: no cost is told)"),
    Option("currency", "USD", "currency of that price, as a label says it"),
    Option(
        "otlp-endpoint", "", "OTLP/HTTP collector of traces, as http://host:4318 (none: no traces)", None, OTLP_ENDPOINT
    ),
    Option("otlp-headers-secret", "", "NAME/KEY of the Secret with the collector's headers, for training pods"),
    Option("reconcile-sampling-ratio", 0.01, "share of the reconciliations that are traced; those that fail are, too"),
    Option("context", "", "context of the kubeconfig, outside of a cluster"),
    Option("log-format", "plain", "plain for people, json for machines", ("plain", "json")),
    Option("log-level", "info", "how much to log", ("debug", "info", "warning", "error")),
)


@dataclass(frozen=True)
class Settings:
    """The settings, checked. Field names are the options'."""

    trainer_image: str
    http_port: int
    progress_interval_seconds: float
    pending_interval_seconds: float
    resync_interval_seconds: float
    workers: int
    lease_name: str
    lease_namespace: str
    identity: str
    context: str
    log_format: str
    log_level: str
    gpu_hour_price: float = 0.0
    currency: str = "USD"
    otlp_endpoint: str = ""
    otlp_headers_secret: str = ""
    reconcile_sampling_ratio: float = 0.01
    leader_election: bool = True
    custom_code: bool = False
    namespaces: tuple[str, ...] = field(default=())
    defaults: JobDefaults = NO_DEFAULTS

    @property
    def traces(self) -> TraceExport | None:
        """Where training pods send their spans; None where no traces are made."""
        name, _, key = self.otlp_headers_secret.partition("/")
        return TraceExport(self.otlp_endpoint, (name, key) if name else None) if self.otlp_endpoint else None


def read_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError, naming the option, for a value that does not fit."""
    given = vars(_parser().parse_args(arguments))
    values = {option.field: _value(option, given.get(option.field), environment) for option in OPTIONS}
    namespaces = tuple(name.strip() for name in values.pop("namespace").split(",") if name.strip())
    for name in ("leader_election", "custom_code"):
        values[name] = values[name] == "on"
    values["defaults"] = _defaults(values["defaults"])
    values["identity"] = values["identity"] or socket.gethostname()
    values["lease_namespace"] = values["lease_namespace"] or environment.get("POD_NAMESPACE") or "default"
    if values["workers"] < 1:
        raise SettingsError(f"--workers is {values['workers']}; at least 1 is needed")
    for name in ("progress_interval_seconds", "pending_interval_seconds", "resync_interval_seconds"):
        if values[name] <= 0:
            raise SettingsError(f"--{name.replace('_', '-')} is {values[name]}; it must be above 0")
    if not 0 <= values["gpu_hour_price"] < float("inf"):
        raise SettingsError(f"--gpu-hour-price is {values['gpu_hour_price']}; it must be 0 or above")
    _check_tracing(values)
    return Settings(namespaces=namespaces, **values)


def _check_tracing(values: Mapping[str, Any]) -> None:
    endpoint = urlsplit(values["otlp_endpoint"])
    if values["otlp_endpoint"] and (endpoint.scheme not in ("http", "https") or not endpoint.hostname):
        raise SettingsError(f"--otlp-endpoint is {values['otlp_endpoint']!r}; expected an address as http://host:4318")
    if endpoint.username or endpoint.password:
        # Training pods get it, readable for all who may read them.
        raise SettingsError("--otlp-endpoint must not hold credentials; store headers in a Secret")
    if values["otlp_headers_secret"] and not re.fullmatch(r"[^/]+/[^/]+", values["otlp_headers_secret"]):
        raise SettingsError(f"--otlp-headers-secret is {values['otlp_headers_secret']!r}; expected NAME/KEY")
    if not 0 <= values["reconcile_sampling_ratio"] <= 1:
        raise SettingsError(f"--reconcile-sampling-ratio is {values['reconcile_sampling_ratio']}; expected 0 to 1")


def _defaults(text: str) -> JobDefaults:
    try:
        return read_defaults(text)
    except InvalidDefaults as error:
        raise SettingsError(f"--defaults, which the chart's value defaults sets: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune_operator",
        description="Watches FineTuneJobs and brings about what they ask for: trains, evaluates, publishes, serves.",
        epilog="Every option can also be set by the environment variable that its help names.",
    )
    for option in OPTIONS:
        default = f", default: {option.default}" if option.default != "" else ""
        parser.add_argument(
            f"--{option.name}",
            metavar="|".join(option.choices) if option.choices else option.field.rsplit("_", 1)[-1].upper(),
            action="append",
            help=f"{option.help} ({option.variable}{default})",
        )
    return parser


def _value(option: Option, given: list[str] | None, environment: Mapping[str, str]) -> Any:
    text = ",".join(given) if given else environment.get(option.variable)
    if text is None:
        return option.default
    source = f"--{option.name}" if given else option.variable
    if option.choices and text not in option.choices:
        raise SettingsError(f"{source} is {text!r}; expected one of: {', '.join(option.choices)}")
    try:
        return type(option.default)(text)
    except ValueError:
        kind = "a whole number" if isinstance(option.default, int) else "a number"
        raise SettingsError(f"{source} is {text!r}; expected {kind}") from None
