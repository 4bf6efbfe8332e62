"""Where pods may run, in the shapes of core/v1: tolerations, affinity, spreading."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.parts.labels import LabelKey, LabelSelector
from finetune_api.schema import ApiModel, ObjectName, Rule

Weight = Annotated[int, Field(ge=1, le=100)]
NodeValue = Annotated[str, Field(max_length=63)]


class TolerationOperator(StrEnum):
    """How a toleration matches."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """Which taints a toleration matches."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    """A pod toleration, as in core/v1."""

    rules = (
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')", "without a key needs operator: Exists"
        ),
        Rule(
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
            "is only for operator Equal",
            field_path=".value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "is only for effect: NoExecute",
            field_path=".tolerationSeconds",
        ),
    )

    key: str | None = Field(None, max_length=317, description="Taint key; unset with Exists matches every key.")
    operator: TolerationOperator | None = Field(None, description="Equal (the default) or Exists.")
    value: str | None = Field(None, max_length=63, description="Taint value, for Equal.")
    effect: TaintEffect | None = Field(None, description="Taint effect; unset matches all.")
    toleration_seconds: int | None = Field(None, ge=0, description="Seconds to stay on a NoExecute taint.")


class NodeSelectorOperator(StrEnum):
    """How a node's label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER = "Gt"
    LESS = "Lt"


class NodeSelectorRequirement(ApiModel):
    """One comparison of a node's label."""

    rules = (
        Rule(
            "(self.operator in ['Exists', 'DoesNotExist']) != has(self.values)",
            "is what operators In, NotIn, Gt and Lt need, and others do not take",
            field_path=".values",
        ),
    )

    key: LabelKey = Field(description="Key of the node's label.")
    operator: NodeSelectorOperator = Field(description="In, NotIn, Exists, DoesNotExist, Gt or Lt.")
    values: list[NodeValue] | None = Field(
        None, min_length=1, max_length=32, description="Values for In and NotIn; one whole number for Gt and Lt."
    )


class NodeSelectorTerm(ApiModel):
    """Comparisons that a node must pass, all of them."""

    match_expressions: list[NodeSelectorRequirement] = Field(min_length=1, max_length=16, description="Comparisons.")


class NodeSelector(ApiModel):
    """Terms of which a node must fit one."""

    node_selector_terms: list[NodeSelectorTerm] = Field(min_length=1, max_length=8, description="Terms.")


class PreferredNode(ApiModel):
    """A term that adds its weight to the nodes that fit it."""

    weight: Weight = Field(description="Weight of the wish.")
    preference: NodeSelectorTerm = Field(description="Which nodes are preferred.")


class NodeAffinity(ApiModel):
    """Which nodes pods must, or would rather, run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        None, description="What a node must fit."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredNode] | None = Field(
        None, max_length=16, description="Wishes, by weight."
    )


class PodAffinityTerm(ApiModel):
    """Pods to be near to, or away from."""

    label_selector: LabelSelector | None = Field(None, description="Labels of those pods.")
    namespaces: list[ObjectName] | None = Field(None, max_length=16, description="Their namespaces. Default: this one.")
    namespace_selector: LabelSelector | None = Field(None, description="Labels of their namespaces.")
    topology_key: LabelKey = Field(description="Node label whose value tells what is near, such as a zone's.")


class PreferredPod(ApiModel):
    """A term that adds its weight to the nodes that fit it."""

    weight: Weight = Field(description="Weight of the wish.")
    pod_affinity_term: PodAffinityTerm = Field(description="Pods to be near to, or away from.")


class PodAffinity(ApiModel):
    """Which other pods to be near to, or away from."""

    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] | None = Field(
        None, max_length=8, description="What must hold."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredPod] | None = Field(
        None, max_length=8, description="Wishes, by weight."
    )


class Affinity(ApiModel):
    """A pod's affinity, as in core/v1."""

    node_affinity: NodeAffinity | None = Field(None, description="Nodes to run on.")
    pod_affinity: PodAffinity | None = Field(None, description="Pods to run near to.")
    pod_anti_affinity: PodAffinity | None = Field(None, description="Pods to stay away from.")


class UnsatisfiableAction(StrEnum):
    """What becomes of a pod that cannot be spread as wished."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class NodeInclusionPolicy(StrEnum):
    """Whether a property of nodes is respected when pods are counted."""

    HONOR = "Honor"
    IGNORE = "Ignore"


class TopologySpreadConstraint(ApiModel):
    """How pods spread over nodes or zones, as in core/v1."""

    max_skew: int = Field(ge=1, description="By how many pods the fullest may exceed the emptiest.")
    topology_key: LabelKey = Field(description="Node label whose values are spread over, such as a zone's.")
    when_unsatisfiable: UnsatisfiableAction = Field(description="Let the pod wait, or schedule it all the same.")
    label_selector: LabelSelector | None = Field(
        None,
        description="Pods that are counted. Default: for serving, those that serve the same model; for training, all"
        " training pods of the namespace.",
    )
    min_domains: int | None = Field(None, ge=1, description="Least count of nodes or zones; for DoNotSchedule.")
    node_affinity_policy: NodeInclusionPolicy | None = Field(
        None, description="Whether only nodes count that fit the pod's affinity. Default: Honor."
    )
    node_taints_policy: NodeInclusionPolicy | None = Field(
        None, description="Whether only nodes count whose taints are tolerated. Default: Ignore."
    )
