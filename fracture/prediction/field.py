"""Answers: JSON objects, each field told once for every surface that shows it."""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Callable, Iterable
from typing import Any

from fracture.radiograph import Notice


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of an answer.

    Attributes:
        name: its key in JSON and its column in a table.
        kind: its type; of an object with known keys a `TypedDict`.
        text: one sentence on what it says.
        unit: of its numbers; empty where there is none.
        value: takes it from what is answered about; if None, the attribute `name`.
        column: how the columns of an object begin; `name` if empty.
    """

    name: str
    kind: Any
    text: str
    unit: str = ""
    value: Callable[[Any], Any] | None = None
    column: str = ""

    def cells(self, value: Any) -> dict[str, Any]:
        """A value of the field as cells of a table, None where there is no value.

        Returns:
            Column -> cell. An object with known keys has a column for each, a list of
            notices is their codes, any other object or list is JSON.
        """
        if typing.is_typeddict(self.kind):
            prefix, values = self.column or self.name, value or {}
            keys = self.kind.__annotations__
            return {f"{prefix}_{key}": values.get(key) for key in keys}
        if self.kind == list[Notice] and value is not None:
            value = " ".join(notice["code"] for notice in value)
        elif isinstance(value, (dict, list)):
            value = json.dumps(value)
        return {self.name: value}


def answer(thing: Any, fields: Iterable[Field]) -> dict:
    """What the fields say of a thing, in plain JSON types; six decimals."""
    return {
        field.name: _plain(
            field.value(thing) if field.value else getattr(thing, field.name)
        )
        for field in fields
    }


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return round(value, 6)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
