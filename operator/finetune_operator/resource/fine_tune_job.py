"""A FineTuneJob as the builders and decisions see it: identity, parsed spec, and the run that it asks for."""

from dataclasses import dataclass, replace

from pydantic import ValidationError

from finetune_api.parts.sources import parse_source
from finetune_api.runs import Identity, identify
from finetune_api.spec.job import FineTuneJobSpec
from finetune_api.status import SourceStatus
from finetune_operator.kinds import Manifest
from finetune_operator.manifests import name_of, namespace_of, uid_of


class InvalidSpec(ValueError):
    """The spec does not fit this operator's vocabulary; the message names the first field."""


@dataclass(frozen=True)
class FineTuneJob:
    """One FineTuneJob. sources: what its `job://` sources stand for, as far as that is known.

    identity: of what the spec asks for. run_id, launch: under which it goes, which for a run that an earlier release
    began may be other than those of the identity. is_trained: it has published its model, and is only judged again.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    spec: FineTuneJobSpec
    identity: Identity
    run_id: str
    launch: str
    sources: tuple[SourceStatus, ...] = ()
    is_trained: bool = False

    @property
    def job_sources(self) -> dict[str, str]:
        """The FineTuneJobs whose models are read, by the field that names each."""
        parsed = {f"{block}.source": parse_source(model.source) for block, model in self.spec.models.values()}
        return {field: source.container for field, source in parsed.items() if source.scheme == "job"}

    @property
    def own_credentials(self) -> set[str]:
        """The fields of models' sources that the spec names credentials for."""
        return {f"{block}.source" for block, model in self.spec.models.values() if model.secret_ref}

    @property
    def is_resolved(self) -> bool:
        """Whether it is known what all sources stand for. Before that, the run id is none that a run may have."""
        return self.job_sources.keys() == {source.field for source in self.sources}

    def source(self, field: str) -> SourceStatus | None:
        """Return what the source in a field of the spec stands for, None for one that stands for itself."""
        return next((source for source in self.sources if source.field == field), None)

    def reading(self, sources: tuple[SourceStatus, ...]) -> "FineTuneJob":
        """Return the same job with its sources known, and the run that follows from them."""
        if not sources:
            return self
        digests = {source.field: source.digest for source in sources}
        places = {source.field: source.to_wire() for source in sources}
        identity = identify(self.spec, digests, places)
        return replace(self, sources=sources, identity=identity, run_id=identity.run, launch=identity.launch)


def parse_resource(manifest: Manifest) -> FineTuneJob:
    """Read a FineTuneJob. Raises InvalidSpec, naming the field and what to do."""
    try:
        spec = FineTuneJobSpec.model_validate(manifest.get("spec") or {})
    except ValidationError as error:
        raise InvalidSpec(_describe(error)) from error
    identity = identify(spec, {}, {})
    return FineTuneJob(
        namespace=namespace_of(manifest),
        name=name_of(manifest),
        uid=uid_of(manifest),
        generation=int(manifest["metadata"].get("generation", 0)),
        spec=spec,
        identity=identity,
        run_id=identity.run,
        launch=identity.launch,
    )


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(("spec", *(str(part) for part in first["loc"])))
    return (
        f"{field}: {first['msg']}. Correct the field; if it should be allowed, the installed CRD and the operator"
        " are of different releases: install the CRD of the operator's release"
    )
