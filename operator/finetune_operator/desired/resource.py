"""A FineTuneJob as the builders and decisions see it: identity, parsed spec, and the run that it asks for."""

from dataclasses import dataclass

from pydantic import ValidationError

from finetune_api.runs import launch_digest, run_id
from finetune_api.spec import FineTuneJobSpec
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of, namespace_of, uid_of


class InvalidSpec(ValueError):
    """The spec does not fit this operator's vocabulary; the message names the first field."""


@dataclass(frozen=True)
class FineTuneJob:
    """One FineTuneJob."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: FineTuneJobSpec
    run_id: str
    launch: str


def parse_resource(manifest: Manifest) -> FineTuneJob:
    """Read a FineTuneJob. Raises InvalidSpec, naming the field and what to do."""
    try:
        spec = FineTuneJobSpec.model_validate(manifest.get("spec") or {})
    except ValidationError as error:
        raise InvalidSpec(_describe(error)) from error
    return FineTuneJob(
        namespace=namespace_of(manifest),
        name=name_of(manifest),
        uid=uid_of(manifest),
        generation=int(manifest["metadata"].get("generation", 0)),
        spec=spec,
        run_id=run_id(spec),
        launch=launch_digest(spec),
    )


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(("spec", *(str(part) for part in first["loc"])))
    return (
        f"{field}: {first['msg']}. Correct the field; if it should be allowed, the installed CRD and the operator"
        " are of different releases: install the CRD of the operator's release"
    )
