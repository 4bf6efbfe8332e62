"""What one reconciliation sees, read once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from finetune_api.handoff import Progress
from finetune_api.keys import LABEL_COMPONENT, Component, ConditionType
from finetune_api.reading import readable
from finetune_api.status import Condition, ConditionStatus, FineTuneJobStatus
from finetune_operator.kinds import CONFIG_MAP, DEPLOYMENT, JOB, POD, SERVICE, Kind, Manifest
from finetune_operator.manifests import controller_of, label_of, name_of
from finetune_operator.resource.chains import SourceView
from finetune_operator.state.children.contest import Repairs

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Refusal:
    """The API server does not do what is asked of it.

    verb: what was tried: create, apply, patch, delete, status, or read. kind, name: of what; empty for a read.
    lasting: it did not refuse, but fails time and again.
    """

    kind: str
    name: str
    message: str
    verb: str = "apply"
    lasting: bool = False

    @property
    def hinders_launch(self) -> bool:
        """Whether children could not be made, so that nothing may be told that depends on them."""
        return self.verb not in ("patch", "delete", "status")


@dataclass(frozen=True)
class Observed:
    """A FineTuneJob and everything around it.

    children: what it owns, and its pods. departed: Jobs and pods that went since the status was last written.
    foreign: objects that sit where a child should be but belong to somebody else. events: core/v1 Events about
    a Job, pod or claim that does not get on. progress: the newest of the pod with uid `progress_pod_uid`.
    sources: the FineTuneJobs that its `job://` sources lead to, over any number of steps, by name. now: when it is
    looked at. repairs: how often each child had to be applied again.
    """

    resource: Manifest
    children: tuple[Manifest, ...] = ()
    departed: tuple[Manifest, ...] = ()
    foreign: tuple[Manifest, ...] = ()
    events: tuple[Manifest, ...] = ()
    progress: Progress | None = None
    progress_pod_uid: str = ""
    refusal: Refusal | None = None
    sources: Mapping[str, SourceView] = field(default_factory=dict)
    now: datetime = LONG_AGO
    repairs: Repairs = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[Manifest]:
        """Return the children of a kind."""
        return of_kind(kind, self.children)

    def child(self, kind: Kind, name: str) -> Manifest | None:
        """Return the child of this name."""
        return next((manifest for manifest in self.of_kind(kind) if name_of(manifest) == name), None)

    @property
    def jobs(self) -> list[Manifest]:
        """The training Jobs, of whatever run."""
        return self.of_kind(JOB)

    @property
    def training_pods(self) -> list[Manifest]:
        """The training pods, of whatever run, with those that went since the status was last written."""
        return [*of_kind(POD, self.departed), *self.pods(Component.TRAINING)]

    @property
    def config_maps(self) -> list[Manifest]:
        """The job files, of whatever run."""
        return self.of_kind(CONFIG_MAP)

    @property
    def deployments(self) -> list[Manifest]:
        """The serving Deployments, of whatever run."""
        return self.of_kind(DEPLOYMENT)

    @property
    def service(self) -> Manifest | None:
        """The one Service."""
        return next(iter(self.of_kind(SERVICE)), None)

    def pods(self, component: Component) -> list[Manifest]:
        """Return the training or the serving pods."""
        return [pod for pod in self.of_kind(POD) if _component(pod) == component]


def _component(pod: Manifest) -> str:
    """Return what a pod is for: who made it says so more reliably than its labels."""
    controller = controller_of(pod)
    if controller is None:
        return label_of(pod, LABEL_COMPONENT)
    return Component.TRAINING if controller.get("kind") == JOB.kind else Component.SERVING


def of_kind(kind: Kind, manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return the manifests of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind.kind]


def previous_status(resource: Manifest) -> FineTuneJobStatus:
    """Return what this release understands of the status, without the conditions of others."""
    status = readable(FineTuneJobStatus, resource.get("status") or {}) or FineTuneJobStatus()
    own = [found for found in status.conditions or () if found.type in list(ConditionType)]
    return status.model_copy(update={"conditions": own or None})


def is_true(status: FineTuneJobStatus, kind: ConditionType) -> bool:
    """Whether the condition of this type is there, and true."""
    found = condition(status, kind)
    return found is not None and found.status == ConditionStatus.TRUE


def condition(status: FineTuneJobStatus, kind: ConditionType) -> Condition | None:
    """Return the condition of this type."""
    return next((found for found in status.conditions or () if found.type == kind), None)
