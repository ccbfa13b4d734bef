"""Answers: JSON objects, each field told once for every surface that shows it."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

# Types of fields, as OpenAPI 3.0 writes them.
TEXT, NUMBER = {"type": "string"}, {"type": "number"}
INTEGER, BOOLEAN = {"type": "integer"}, {"type": "boolean"}


def one_of(values: Iterable[str]) -> dict:
    """The type of a text that is one of a few."""
    return {**TEXT, "enum": [str(value) for value in values]}


def nullable(kind: dict) -> dict:
    """A type that null belongs to as well."""
    values = {"enum": [*kind["enum"], None]} if "enum" in kind else {}
    return {**kind, **values, "nullable": True}


def numbers(names: Iterable[str]) -> dict:
    """The type of an object that holds a number for some of these names."""
    return {"type": "object", "properties": dict.fromkeys(names, NUMBER)}


def list_of(kind: dict) -> dict:
    """The type of a list."""
    return {"type": "array", "items": kind}


_NOTICE = {"type": "object", "properties": {"code": TEXT, "message": TEXT}}
NOTICES = list_of(_NOTICE)


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of an answer.

    Attributes:
        name: its key in JSON and its column in a table.
        kind: its type.
        text: one sentence on what it says.
        unit: of its numbers; empty where there is none.
        value: takes it from what is answered about; if None, the attribute `name`.
        column: how the columns of an object begin; `name` if empty.
    """

    name: str
    kind: dict
    text: str
    unit: str = ""
    value: Callable[[Any], Any] | None = None
    column: str = ""

    def of(self, thing: Any) -> Any:
        """The field's value in plain JSON types; numbers have six decimals."""
        return _plain(self.value(thing) if self.value else getattr(thing, self.name))

    def cells(self, value: Any) -> dict[str, Any]:
        """A value of the field as cells of a table, None where there is no value.

        Returns:
            Column -> cell. An object has a column for each property, a list of notices
            is their codes, any other list is JSON.
        """
        if "properties" in self.kind:
            names, prefix = self.kind["properties"], self.column or self.name
            return {f"{prefix}_{name}": (value or {}).get(name) for name in names}
        if isinstance(value, list):
            notices = self.kind is NOTICES
            value = " ".join(n["code"] for n in value) if notices else json.dumps(value)
        return {self.name: value}

    @property
    def description(self) -> str:
        """What it says, and its unit."""
        return f"{self.text} Unit: {self.unit}." if self.unit else self.text


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return round(value, 6)
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def answer(thing: Any, fields: Iterable[Field]) -> dict:
    """What the fields say of a thing, in plain JSON types."""
    return {field.name: field.of(thing) for field in fields}


def schema(fields: Sequence[Field], optional: Sequence[Field] = ()) -> dict:
    """JSON schema of an answer that has the fields, and may have the optional ones."""
    return {
        "type": "object",
        "properties": {
            field.name: {**field.kind, "description": field.description}
            for field in (*fields, *optional)
        },
        "required": [field.name for field in fields],
    }


def describe(fields: Sequence[Field]) -> str:
    """The fields in words, for who reads the documentation."""
    kinds = (f.kind.get("enum", [f.kind["type"]]) for f in fields)
    return " ".join(
        f"{f.name} ({', '.join(value or 'null' for value in kind)}): {f.description}"
        for f, kind in zip(fields, kinds, strict=True)
    )
