"""What every model of the resource is made of: camelCase names, bounded types, CEL rules."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, SerializationInfo
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from finetune_api.quantity import canonical


@dataclass(frozen=True)
class Rule:
    """One `x-kubernetes-validations` entry: a CEL expression and what to tell the person who broke it.

    `field_path` (such as `.lora`) points the message at a field; `reason` is the API server's error type.
    `found` is a CEL expression of a string, told after the message; it must never show a credential.
    """

    expression: str
    message: str
    field_path: str | None = None
    reason: str | None = None
    found: str | None = None

    def as_schema(self) -> dict[str, str]:
        """Return the rule as the CRD spells it."""
        entry = {"rule": self.expression, "message": self.message}
        if self.found:
            entry["messageExpression"] = f"{json.dumps(self.message + '; found ')} + {self.found}"
        if self.field_path:
            entry["fieldPath"] = self.field_path
        if self.reason:
            entry["reason"] = self.reason
        return entry


class ApiModel(BaseModel):
    """Base of every model in the resource: immutable, camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, protected_namespaces=()
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.as_schema() for rule in cls.rules]
        return schema

    def to_wire(self) -> dict[str, Any]:
        """Return the model as JSON-ready data, camelCase, without unset optional fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Tolerant(ApiModel):
    """Base of documents that neighbouring releases exchange: unknown fields are ignored by both sides."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, protected_namespaces=()
    )


DNS_SUBDOMAIN = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$")]
"""A key of a ConfigMap or a Secret."""
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
CANONICAL = "canonical"
"""Context of a dump that spells every Quantity in its one canonical way."""


def _spelt(quantity: int | str, info: SerializationInfo) -> int | str:
    try:
        return canonical(quantity) if info.context == CANONICAL else quantity
    except ValueError:
        # The API server tells what is wrong with it.
        return quantity


Quantity = Annotated[
    int | str,
    PlainSerializer(_spelt, return_type=int | str),
    Field(
        json_schema_extra={
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
        }
    ),
]
Timestamp = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]


def at_least(field: str, minimum: str, message: str) -> Rule:
    """Return the rule that a Quantity is one, and no less than `minimum`; an unset field passes."""
    value = f"string(self.{field})"
    enough = f"quantity({value}).compareTo(quantity('{minimum}')) >= 0"
    expression = f"!has(self.{field}) || (isQuantity({value}) && {enough})"
    return Rule(expression, message, field_path=f".{field}", found=value)
