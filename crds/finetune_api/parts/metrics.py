"""Metrics of the user's own, in the format of the library evaluate."""

import json
from typing import Annotated, Any

from pydantic import Field

from finetune_api.parts.config_maps import ConfigMapKeyRef
from finetune_api.parts.sources import uri_rules
from finetune_api.schema import ApiModel, Rule

ArgumentName = Annotated[str, Field(max_length=64)]
ArgumentValue = Annotated[str, Field(max_length=1024)]


class MetricSpec(ApiModel):
    """A metric of the user's own. It runs in the training pod, with all that the pod may reach."""

    rules = (
        Rule("has(self.configMapKeyRef) != has(self.source)", "set exactly one of configMapKeyRef and source"),
        *uri_rules("source", "s3", "pvc"),
        Rule(
            "!has(self.source) || self.source.matches('^[^:]+://[^/]+/(.*/)?[A-Za-z0-9_-]+/?$')",
            "must end with the name of a folder (letters, digits, '-' and '_'), which holds a script of that name",
            field_path=".source",
        ),
        Rule(
            "!self.name.startsWith('test_')",
            "must not begin with test_, as the figures of the test rows do; choose another name",
            field_path=".name",
        ),
        Rule(
            "!has(self.arguments) || self.arguments.all(name, name.matches('^[A-Za-z_][A-Za-z0-9_]*$')"
            " && !(name in ['predictions', 'references']))",
            "must be names of arguments in Python, other than predictions and references, which are given in any case",
            field_path=".arguments",
        ),
    )

    name: Annotated[str, Field(min_length=1, max_length=32, pattern="^[a-z][a-z0-9_]*$")] = Field(
        description="Name of its own, and of its figure; where it gives several, they are called <name>_<key>."
    )
    config_map_key_ref: ConfigMapKeyRef | None = Field(
        None, description="The script: a Python file with one subclass of evaluate.Metric."
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="The metric's folder, s3://bucket/path/name or pvc://claim/path/name, with the script name.py and"
        " the Python files beside it that it imports. It is read with the Secret of spec.dataset.",
    )
    config_name: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Configuration of the metric, such as multilabel, where it has several.",
    )
    arguments: dict[ArgumentName, ArgumentValue] | None = Field(
        None,
        min_length=1,
        max_length=16,
        description="What compute is called with besides, such as average: macro. A number or a truth value is written"
        " in quotes ('0.5', 'true'), and a text that looks like one in two of them.",
    )

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments as Python calls them: numbers, truth values and texts."""
        return {name: _scalar(text) for name, text in (self.arguments or {}).items()}

    @property
    def script(self) -> str:
        """The name of its script, without .py, and of the folder that it lies in."""
        return self.source.rstrip("/").rpartition("/")[2] if self.source else self.name

    @property
    def field(self) -> str:
        """How messages call it."""
        return f"spec.evaluation.metrics[{self.name}]"

    @property
    def code_name(self) -> str:
        """The name of a ConfigMap's file among `TrainingInputs.code`."""
        return f"metric-{self.name}"

    @property
    def code_field(self) -> str:
        """The field of the spec that says where the code is."""
        return f"{self.field}.{'source' if self.source else 'configMapKeyRef'}"


def _scalar(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _refuse(text: str) -> Any:
    raise ValueError(text)
