"""The weights folder: what it declares, and the checks before anything is loaded."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fracture.classes import CLASSES, MAPS

CONFIG_FILE = "config.json"
MODEL_FILE = "model.onnx"
KERAS_FILE = "model.weights.h5"
METRICS_FILE = "metrics.json"
FORMAT = 2
# Of a mark: its side as a share of the square's, its least strength relative to the
# film's strongest. What weights do not say, chosen on validation films of the first.
MARKS = {"side": 0.09, "least": 0.3}
_MOST = 2**20  # bytes of config.json
_MOST_PARTS = 64


class WeightsError(ValueError):
    """The weights folder cannot be used.

    Attributes:
        code: `weights_missing`, `weights_config`, `weights_checksum`,
            `weights_unreadable` or `weights_shape`; from the Hub `disk_full` and those
            with `hub_`, see `fracture.hub`.
        message: a sentence a person can act on.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def _number(least: float, most: float) -> Callable[[Any], bool]:
    """Tells numbers of a range; JSON in Python may hold any integer, inf and NaN."""
    return lambda value: type(value) in (int, float) and least <= value <= most


def _text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _square(value: Any) -> bool:
    side = value[0] if isinstance(value, list) and value else None
    return _number(32, 4096)(side) and value == [side, side, 1] and type(side) is int


def _outputs(value: Any) -> bool:
    """Whether each output has a shape; whether the model has it is seen at loading."""
    if not isinstance(value, dict):
        return False
    shapes = [v.get("shape") if isinstance(v, dict) else None for v in value.values()]
    return all(
        isinstance(shape, list) and all(type(n) is int and 0 < n <= 512 for n in shape)
        for shape in shapes
    )


def _parts(value: Any) -> bool:
    plain = isinstance(value, list) and all(map(_text("[a-z][a-z_-]{0,30}"), value))
    return plain and len(value) == len(set(value)) <= _MOST_PARTS


def _marks(value: Any) -> bool:
    """Whether these are rules for marks; older weights have none."""
    return value is None or (
        isinstance(value, dict)
        and value.keys() == MARKS.keys()
        and all(_number(1e-3, 1)(rule) for rule in value.values())
    )


def _points(value: Any) -> bool:
    """Whether these are measured thresholds, rule-out not above rule-in."""
    if not isinstance(value, dict) or value.keys() != {"rule_out", "rule_in"}:
        return False
    for point in value.values():
        if not isinstance(point, dict) or not _probability(point.get("threshold")):
            return False
        if not all(v is None or _number(0, 2**53)(v) for v in point.values()):
            return False
    return value["rule_out"]["threshold"] <= value["rule_in"]["threshold"]


_probability = _number(0, 1)
# What `config.json` must hold for serving: where, in words, and the test of it.
_SCHEMA: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (("format",), f"{FORMAT}", lambda value: type(value) is int and value == FORMAT),
    (("name",), "a name of letters, digits, . - and _", _text(r"[\w.-]{1,100}")),
    (("version",), "a version", _text(r"[\w.+-]{1,100}")),
    (("classes",), f"{list(CLASSES)}", lambda value: value == list(CLASSES)),
    (("maps",), f"{list(MAPS)}", lambda value: value == list(MAPS)),
    (("input", "shape"), "[side, side, 1]", _square),
    (("outputs",), "names with shapes", _outputs),
    (("body_parts",), f"up to {_MOST_PARTS} different names in small letters", _parts),
    (("out_of_distribution", "threshold"), "log-odds", _number(-1e6, 1e6)),
    (("operating_points",), "thresholds 0 <= rule_out <= rule_in <= 1", _points),
    (("heatmap_grid", "first"), "pixels from 0 on", _number(0, 4096)),
    (("heatmap_grid", "step"), "pixels from 1 on", _number(1, 4096)),
    (("heatmap_reference",), "a positive number", _number(1e-9, 1e9)),
    (("marks",), f"{', '.join(MARKS)}, each from 0.001 to 1", _marks),
    (("files", MODEL_FILE), "a sha256 in hex digits", _text("[0-9a-f]{64}")),
)


@dataclasses.dataclass(frozen=True)
class WeightsConfig:
    """`config.json` of a weights folder, checked.

    Attributes:
        folder: where it lies.
        values: the whole file, as plain JSON types.
    """

    folder: Path
    values: dict

    @classmethod
    def load(cls, folder: str | Path) -> WeightsConfig:
        """Reads `config.json` and verifies the sha256 of what serving loads.

        Raises:
            WeightsError: see its codes.
        """
        folder, path = Path(folder), Path(folder) / CONFIG_FILE
        if not path.is_file():
            message = f"{folder} is not a weights folder: it has no {CONFIG_FILE}"
            raise WeightsError("weights_missing", message)
        try:
            with path.open("rb") as file:
                text = file.read(_MOST + 1)
            if len(text) > _MOST:
                raise ValueError("it is too large")
            values = json.loads(text)
        except OSError as error:
            message = f"{path} cannot be read: {error.strerror}"
            raise WeightsError("weights_unreadable", message) from error
        except (ValueError, RecursionError) as error:
            message = f"{CONFIG_FILE} is not valid JSON: {error}"
            raise WeightsError("weights_config", message) from error
        for keys, wanted, fits in _SCHEMA:
            value = values
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            if not fits(value):
                message = f"{CONFIG_FILE}: {' '.join(keys)} must be {wanted}"
                raise WeightsError("weights_config", message)
        config = cls(folder, values)
        config._verify()
        return config

    def _verify(self) -> None:
        model = self.folder / MODEL_FILE
        if not model.is_file():
            raise WeightsError("weights_missing", f"{self.folder} has no {MODEL_FILE}")
        if sha256(model) != self.values["files"][MODEL_FILE]:
            message = (
                f"{MODEL_FILE} is not the file {CONFIG_FILE} was written for (sha256 "
                "differs): download or train the folder again"
            )
            raise WeightsError("weights_checksum", message)

    @property
    def image_size(self) -> int:
        """Side of the square the network takes, in pixels."""
        return int(self.values["input"]["shape"][0])

    @property
    def heatmap_reference(self) -> float:
        """Map strength of clear evidence, log-odds per cell."""
        return self.values["heatmap_reference"]

    @property
    def heatmap_grid(self) -> tuple[float, float]:
        """Centre of a map's first cell, and cell to cell; pixels of the square."""
        grid = self.values["heatmap_grid"]
        return float(grid["first"]), float(grid["step"])

    @property
    def marks(self) -> dict[str, float]:
        """`side` and `least`: how marks are read from the map, see `MARKS`."""
        return {**MARKS, **(self.values.get("marks") or {})}

    @functools.cached_property
    def operating_points(self) -> dict[str, float]:
        """`rule_out` and `rule_in`: thresholds of the fracture probability."""
        points = self.values["operating_points"]
        return {
            name: float(points[name]["threshold"]) for name in ("rule_out", "rule_in")
        }

    @property
    def novelty_threshold(self) -> float:
        """Log-odds of being no such film above which a film is not judged."""
        return float(self.values["out_of_distribution"]["threshold"])

    @property
    def body_parts(self) -> tuple[str, ...]:
        """The body parts that the model names, in the order of that output."""
        return tuple(self.values["body_parts"])

    @property
    def model_version(self) -> str:
        """`name-version+checksum`, the checksum being that of the model file."""
        checksum = self.values["files"][MODEL_FILE][:12]
        return f"{self.values['name']}-{self.values['version']}+{checksum}"

    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Input name -> declared shape without the batch."""
        return {"film": tuple(self.values["input"]["shape"])}

    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Output name -> declared shape without the batch."""
        return {k: tuple(v["shape"]) for k, v in self.values["outputs"].items()}


def sha256(path: str | Path) -> str:
    """Checksum of a file, as hex digits."""
    with Path(path).open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
