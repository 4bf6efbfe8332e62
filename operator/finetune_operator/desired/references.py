"""Which Secrets and ConfigMaps the pods need, and which field asks for each."""

from collections.abc import Iterator
from dataclasses import dataclass

from finetune_api.parts.pod import PodOptions
from finetune_operator.desired.inputs import secrets
from finetune_operator.resource.fine_tune_job import FineTuneJob


@dataclass(frozen=True)
class Reference:
    """A Secret or ConfigMap that a field asks for; key is None where the field asks for the whole."""

    kind: str
    name: str
    key: str | None
    asked_by: str


def references(job: FineTuneJob) -> list[Reference]:
    """Return what the pods of a job ask for, the serving pods' last."""
    found = [Reference("Secret", secret.name, None, secret.asked_by) for secret in secrets(job)]
    found += [Reference("ConfigMap", place.name, place.key, field) for field, place in job.spec.code.values()]
    blocks: dict[str, PodOptions] = {"spec.compute": job.spec.compute}
    if job.spec.serving.enabled:
        blocks["spec.serving"] = job.spec.serving
    return [*found, *(reference for block, options in blocks.items() for reference in _of_options(options, block))]


def _of_options(options: PodOptions, block: str) -> Iterator[Reference]:
    for pull_secret in options.image_pull_secrets or ():
        yield Reference("Secret", pull_secret.name, None, f"{block}.imagePullSecrets")
    for variable in options.env or ():
        source = variable.value_from
        if source and source.secret_key_ref:
            yield Reference("Secret", source.secret_key_ref.name, source.secret_key_ref.key, f"{block}.env")
        elif source and source.config_map_key_ref:
            yield Reference("ConfigMap", source.config_map_key_ref.name, source.config_map_key_ref.key, f"{block}.env")
    for whole in options.env_from or ():
        if whole.secret_ref:
            yield Reference("Secret", whole.secret_ref.name, None, f"{block}.envFrom")
        elif whole.config_map_ref:
            yield Reference("ConfigMap", whole.config_map_ref.name, None, f"{block}.envFrom")
    bundle = options.ca_bundle
    if bundle and bundle.config_map_key_ref:
        yield Reference("ConfigMap", bundle.config_map_key_ref.name, bundle.config_map_key_ref.key, f"{block}.caBundle")
    elif bundle and bundle.secret_key_ref:
        yield Reference("Secret", bundle.secret_key_ref.name, bundle.secret_key_ref.key, f"{block}.caBundle")
