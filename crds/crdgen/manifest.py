"""The CustomResourceDefinition of FineTuneJob, put together from the models."""

from typing import Any

import yaml

from crdgen.structural import Schema, structural_schema
from finetune_api import CATEGORIES, GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from finetune_api.schema import Rule
from finetune_api.spec.job import FineTuneJobSpec
from finetune_api.status import FineTuneJobStatus

HEADER = "# Generated from crds/finetune_api by `python -m crdgen`. Do not edit.\n"

API_VERSION_DESCRIPTION = f"Version of the schema of this object: {GROUP}/{VERSION}."
KIND_DESCRIPTION = f"Kind of this object: {KIND}."
RESOURCE_DESCRIPTION = "Takes a base model and a dataset to a tuned, evaluated, published and served model."

UNSEEN = {"observedGeneration": -1}
"""Status of a job that the operator has not seen: no generation that an object ever has, so kstatus waits for it."""

NO_VOLUME = "!has(oldSelf.status) || !has(oldSelf.status.workspace)"
SAME_STORAGE = " && ".join(
    f"has(self.spec.storage.{field}) == has(oldSelf.spec.storage.{field})"
    f" && (!has(self.spec.storage.{field}) || self.spec.storage.{field} == oldSelf.spec.storage.{field})"
    for field in ("existingClaim", "storageClassName", "accessModes")
)

ROOT_RULES = (
    Rule(
        f"{NO_VOLUME} || ({SAME_STORAGE})",
        "but for its size, cannot change once the workspace volume exists (status.workspace): undo the change, or"
        " delete this job and create it anew, or create a job of another name",
        field_path=".spec.storage",
        reason="FieldValueForbidden",
    ),
    Rule(
        "self.spec.model.source != 'job://' + self.metadata.name",
        "is this FineTuneJob itself; name another one, whose model this one starts from",
        field_path=".spec.model.source",
    ),
)

COLUMNS = (
    ("Task", "string", ".spec.task", "What the model learns to do."),
    ("Phase", "string", ".status.phase", "Where the job is."),
    ("Progress", "string", ".status.progress.display", "Steps done, of all."),
    ("ETA", "string", ".status.progress.eta", "Estimated time until training ends."),
    ("Loss", "number", ".status.progress.loss", "Training loss."),
    ("Score", "string", ".status.score", "The task's main metric, tuned against base."),
    ("URL", "string", ".status.serving.url", "Where the model is served."),
    ("Age", "date", ".metadata.creationTimestamp", "Time since the job was created."),
)
WIDE_COLUMNS = (
    ("Reason", "string", ".status.reason", "Why the job is where it is, as one word."),
    ("Message", "string", ".status.message", "Why the job is where it is, and what to do next."),
    ("Run", "string", ".status.run.id", "Id of the run that the spec asks for."),
)


def custom_resource_definition() -> dict[str, Any]:
    """Return the whole CustomResourceDefinition as JSON-ready data."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": list(CATEGORIES),
            },
            "versions": [_version()],
        },
    }


def manifest() -> str:
    """Return the CustomResourceDefinition as the YAML text of `crds/finetunejobs.yaml`."""
    body: str = yaml.dump(custom_resource_definition(), Dumper=_Dumper, sort_keys=False, width=120)
    return HEADER + body


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(0, *column) for column in COLUMNS]
        + [_column(1, *column) for column in WIDE_COLUMNS],
        "selectableFields": [{"jsonPath": ".spec.task"}, {"jsonPath": ".status.phase"}],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.serving.replicas",
                "statusReplicasPath": ".status.serving.replicas",
                "labelSelectorPath": ".status.serving.selector",
            },
        },
        "schema": {"openAPIV3Schema": _root_schema()},
    }


def _column(priority: int, name: str, kind: str, path: str, description: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority, "description": description}


def _root_schema() -> Schema:
    return {
        "type": "object",
        "description": RESOURCE_DESCRIPTION,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": API_VERSION_DESCRIPTION},
            "kind": {"type": "string", "description": KIND_DESCRIPTION},
            "metadata": {"type": "object"},
            "spec": structural_schema(FineTuneJobSpec),
            "status": {**structural_schema(FineTuneJobStatus), "default": UNSEEN},
        },
        "x-kubernetes-validations": [rule.as_schema() for rule in ROOT_RULES],
    }


class _Dumper(yaml.SafeDumper):
    """Block style without anchors, list items indented."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)
