"""What clusters ask of every pod; the same for training, for serving, and as the chart's defaults for both."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.config import JsonDict

from finetune_api.keys import OWN_PREFIXES, POD_LABELS_OF_CONTROLLERS
from finetune_api.parts.environment import CABundle, EnvFromSource, EnvVar, Proxy
from finetune_api.parts.labels import AnnotationValue, LabelKey, Labels
from finetune_api.parts.scheduling import Affinity, Toleration, TopologySpreadConstraint
from finetune_api.parts.secrets import NamedSecret
from finetune_api.schema import ApiModel, ObjectName, Quantity, Rule, at_least

MAP_BY_NAME: JsonDict = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
ResourceName = Annotated[str, Field(min_length=1, max_length=317)]
UserId = Annotated[int, Field(ge=1, le=2_147_483_647)]
GroupId = Annotated[int, Field(ge=0, le=2_147_483_647)]
OWN_LABELS = " || ".join(
    [*(f"key.startsWith('{prefix}')" for prefix in OWN_PREFIXES), f"key in {list(POD_LABELS_OF_CONTROLLERS)}"]
)


class Identity(StrEnum):
    """Who chooses the user and the groups that are not given."""

    FIXED = "Fixed"
    ASSIGNED = "Assigned"


class ImagePullPolicy(StrEnum):
    """When a node pulls an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class SELinuxOptions(ApiModel):
    """The part of a pod's SELinux context that the restricted Pod Security Standard leaves open."""

    level: str = Field(min_length=1, max_length=256, description="Level, such as s0:c123,c456.")


class PodSecurity(ApiModel):
    """Users and groups. That pods are restricted (no root, no privileges, no capabilities) is not for choice."""

    identity: Identity = Field(
        Identity.FIXED,
        description="Fixed: what is not given below is 1000. Assigned: it is left out, for the cluster to assign, as"
        " OpenShift does from the namespace's range.",
    )
    run_as_user: UserId | None = Field(None, description="User id.")
    run_as_group: GroupId | None = Field(None, description="Primary group's id.")
    fs_group: GroupId | None = Field(None, description="Id of the group that owns the volumes.")
    supplemental_groups: list[GroupId] | None = Field(
        None, max_length=16, description="Ids of further groups, such as that of a shared file system."
    )
    se_linux_options: SELinuxOptions | None = Field(None, description="SELinux context.")


class PodOptions(ApiModel):
    """What clusters ask of every pod."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.labels) || !self.labels.exists(key, {OWN_LABELS})",
            "must not have keys that the operator or Kubernetes sets:"
            f" {', '.join([*(f'{prefix}*' for prefix in OWN_PREFIXES), *POD_LABELS_OF_CONTROLLERS])}; remove them",
            field_path=".labels",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.annotations) || !self.annotations.exists(key, key.startsWith('finetune.dev/'))",
            "must not have keys that the operator sets: finetune.dev/*; remove them",
            field_path=".annotations",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.limits) || self.limits.all(name, isQuantity(string(self.limits[name])))",
            "must be amounts, such as cpu: 4 or memory: 16Gi",
            field_path=".limits",
        ),
        at_least("ephemeralStorage", "1Mi", "must be an amount of storage, with its unit, such as 50Gi"),
        at_least("sharedMemory", "1Mi", "must be an amount of memory, with its unit, such as 1Gi"),
    )

    service_account_name: ObjectName | None = Field(
        None,
        description="ServiceAccount of the pods, in the job's namespace, for the cloud's workload identity and for"
        " admission. No token of the Kubernetes API is mounted. Default: the namespace's own.",
    )
    image_pull_secrets: list[NamedSecret] | None = Field(
        None,
        max_length=16,
        description="Secrets to pull images with.",
        json_schema_extra=MAP_BY_NAME,
    )
    image_pull_policy: ImagePullPolicy | None = Field(
        None,
        description="When the node pulls the image. Default: Always for an image with the tag latest or none, else"
        " IfNotPresent.",
    )
    env: list[EnvVar] | None = Field(
        None,
        max_length=64,
        description="Environment variables. Those for AWS and the Hub (AWS_*, HF_TOKEN) are read where no secretRef"
        " is given.",
        json_schema_extra=MAP_BY_NAME,
    )
    env_from: list[EnvFromSource] | None = Field(
        None, max_length=16, description="Secrets and ConfigMaps whose keys become environment variables."
    )
    ca_bundle: CABundle | None = Field(
        None,
        description="Certificates, in PEM, of the authorities to trust for https. They replace the image's own list,"
        " so add the public ones if they are needed.",
    )
    proxy: Proxy | None = Field(None, description="The way out of the cluster.")
    labels: Labels | None = Field(None, max_length=32, description="Labels of the pods.")
    annotations: dict[LabelKey, AnnotationValue] | None = Field(
        None, max_length=32, description="Annotations of the pods."
    )
    node_selector: Labels | None = Field(None, max_length=32, description="Labels that a node must have.")
    tolerations: list[Toleration] | None = Field(None, max_length=32, description="Taints that are tolerated.")
    affinity: Affinity | None = Field(None, description="Nodes and pods to run near to, or away from.")
    topology_spread_constraints: list[TopologySpreadConstraint] | None = Field(
        None, max_length=8, description="How the pods spread over nodes or zones."
    )
    scheduler_name: ObjectName | None = Field(None, description="Scheduler of the pods. Default: the cluster's own.")
    priority_class_name: ObjectName | None = Field(None, description="PriorityClass of the pods.")
    runtime_class_name: ObjectName | None = Field(None, description="RuntimeClass of the pods, such as nvidia.")
    security_context: PodSecurity | None = Field(None, description="Users and groups.")
    limits: dict[ResourceName, Quantity] | None = Field(
        None,
        max_length=16,
        description="Limits by resource, such as cpu: 4. That of memory is by default what is requested; a CPU has"
        " none by default, so that the pod may use what is free.",
    )
    ephemeral_storage: Quantity | None = Field(
        None,
        description="Request and limit of the node's disk, for the scratch space and logs, such as 50Gi. Serving"
        " pods also keep a model there that they fetched from s3://.",
    )
    shared_memory: Quantity | None = Field(
        None, description="Size of /dev/shm, such as 1Gi; it counts as memory of the pod. Default: the runtime's, 64Mi."
    )
    termination_grace_period_seconds: int | None = Field(
        None,
        ge=10,
        le=86_400,
        description="Seconds that a pod has to end when it is stopped: a training pod writes a checkpoint, a serving"
        " pod answers what it has begun. Default: 120 for training, 30 for serving.",
    )
