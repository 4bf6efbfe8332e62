"""The chart keeps up with the operator: every setting and every option of pods has its place in the values."""

import json

import yaml

from demo.install import CHART
from finetune_api.parts.pod import PodOptions
from finetune_api.spec.storage import AccessMode
from finetune_operator.desired.defaults import StorageDefaults
from finetune_operator.settings import OPTIONS

OUTSIDE_OF_CLUSTERS = {"context"}


def test_the_deployment_sets_every_setting() -> None:
    """An option that is new needs a value in values.yaml and values.schema.json, and its variable in the template."""
    template = (CHART / "templates/deployment.yaml").read_text()
    lacking = [option.name for option in OPTIONS if f"- name: {option.variable}\n" not in template]
    assert set(lacking) == OUTSIDE_OF_CLUSTERS


def test_the_schema_knows_the_options_of_pods() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(schema["definitions"]["podOptions"]["properties"]) == {
        field.alias for field in PodOptions.model_fields.values()
    }
    storage = schema["properties"]["defaults"]["properties"]["storage"]["properties"]
    assert set(storage) == {field.alias for field in StorageDefaults.model_fields.values()}
    assert set(storage["accessModes"]["items"]["enum"]) == set(AccessMode)


def test_the_comment_on_defaults_names_the_options_of_pods() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = schema["properties"]["defaults"]["properties"]["pods"]["description"]
    assert all(f"{field.alias}" in text for field in PodOptions.model_fields.values())


def test_defaults_of_values_are_those_of_settings() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    shown = {"workers", "progressIntervalSeconds", "pendingIntervalSeconds", "resyncIntervalSeconds", "httpPort"}
    words = {"".join(part.title() for part in option.name.split("-")): option.default for option in OPTIONS}
    assert {name: words[name[0].upper() + name[1:]] for name in shown} == {name: values[name] for name in shown}
