"""What pods find around them: environment variables, certificate authorities, a proxy."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from finetune_api.parts.config_maps import ConfigMapKeyRef, ConfigMapRef
from finetune_api.parts.secrets import NamedSecret, SecretKeyRef
from finetune_api.schema import ApiModel, Rule

RESERVED_VARIABLES = ["HOME", "TMPDIR", "OMP_WAIT_POLICY", "PATH", "PYTHONPATH", "PYTHONHOME", "LD_PRELOAD"]
"""Set by the operator, or by the image for its programs to be found."""
NAMES_OF_SECRETS = "(^|_)(TOKEN|PASSWORD|PASSWD|SECRET|SECRET_KEY|ACCESS_KEY|ACCESS_KEY_ID|API_KEY|PRIVATE_KEY)$"
SECRETS_THEMSELVES = "^(hf_[A-Za-z0-9]{20,}|A[KS]IA[A-Z0-9]{16}|sk-[-_A-Za-z0-9]{20,}|gh[ps]_[A-Za-z0-9]{20,})$"
VariableName = Annotated[str, Field(min_length=1, max_length=128, pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
ProxyAddress = Annotated[
    str, Field(min_length=1, max_length=512, pattern=r"^https?://(\[[0-9a-fA-F:.]+\]|[^\s/@:\[\]]+)(:[0-9]+)?/?$")
]


class PodField(StrEnum):
    """What a variable may tell of its pod."""

    NAME = "metadata.name"
    NAMESPACE = "metadata.namespace"
    UID = "metadata.uid"
    NODE = "spec.nodeName"
    SERVICE_ACCOUNT = "spec.serviceAccountName"
    POD_IP = "status.podIP"
    HOST_IP = "status.hostIP"


class PodFieldRef(ApiModel):
    """Names a field of the pod."""

    field_path: PodField = Field(description="The field.")


class EnvVarSource(ApiModel):
    """Where a variable's value comes from."""

    rules = (
        Rule(
            "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].exists_one(given, given)",
            "set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
        ),
    )

    secret_key_ref: SecretKeyRef | None = Field(None, description="A key of a Secret.")
    config_map_key_ref: ConfigMapKeyRef | None = Field(None, description="A key of a ConfigMap.")
    field_ref: PodFieldRef | None = Field(None, description="A field of the pod.")


class EnvVar(ApiModel):
    """An environment variable."""

    rules = (
        Rule(
            f"!(self.name in {RESERVED_VARIABLES})",
            f"must not be one of {', '.join(RESERVED_VARIABLES)}, which the operator and the image set; remove it",
            field_path=".name",
            reason="FieldValueForbidden",
        ),
        Rule("has(self.value) != has(self.valueFrom)", "set exactly one of value and valueFrom"),
        Rule(
            f"!has(self.value) || !(self.name.matches('{NAMES_OF_SECRETS}') ||"
            f" self.value.matches('{SECRETS_THEMSELVES}') || self.value.matches('://[^/]*@'))",
            "must not hold a secret, which all who may read this job would see: store it in a Secret, and name that in"
            " valueFrom.secretKeyRef",
            field_path=".value",
        ),
    )

    name: VariableName = Field(description="Name.")
    value: str | None = Field(
        None, max_length=4096, description="Value, readable for all who may read the job: never a secret."
    )
    value_from: EnvVarSource | None = Field(None, description="Where the value comes from.")


class EnvFromSource(ApiModel):
    """A Secret or ConfigMap of which every key becomes an environment variable."""

    rules = (Rule("has(self.secretRef) != has(self.configMapRef)", "set exactly one of secretRef and configMapRef"),)

    prefix: VariableName | None = Field(None, description="Prepended to each key.")
    secret_ref: NamedSecret | None = Field(None, description="The Secret.")
    config_map_ref: ConfigMapRef | None = Field(None, description="The ConfigMap.")


class CABundle(ApiModel):
    """Where the certificates of trusted authorities lie."""

    rules = (
        Rule(
            "has(self.configMapKeyRef) != has(self.secretKeyRef)", "set exactly one of configMapKeyRef and secretKeyRef"
        ),
    )

    config_map_key_ref: ConfigMapKeyRef | None = Field(None, description="A key of a ConfigMap.")
    secret_key_ref: SecretKeyRef | None = Field(None, description="A key of a Secret.")


class Proxy(ApiModel):
    """The way out of the cluster. An empty block means none, whatever the chart's defaults are."""

    http_proxy: ProxyAddress | None = Field(
        None,
        description="For http:// addresses, such as http://proxy.example:3128. One that asks for a password belongs"
        " in a Secret: name it in env, for HTTP_PROXY.",
    )
    https_proxy: ProxyAddress | None = Field(None, description="For https:// addresses; likewise HTTPS_PROXY.")
    no_proxy: str | None = Field(
        None,
        max_length=4096,
        description="Hosts and domains that are reached directly, with commas. This pod, the cluster's Services"
        " (.svc, .cluster.local) and the clouds' credential services are always among them.",
    )
