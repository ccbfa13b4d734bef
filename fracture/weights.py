"""The weights folder: what it declares, and the checks before anything is loaded."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

from fracture.classes import BODY_PARTS, CLASSES, MAPS

CONFIG_FILE = "config.json"
MODEL_FILE = "model.onnx"
KERAS_FILE = "model.weights.h5"
METRICS_FILE = "metrics.json"
FORMAT = 2


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
        folder = Path(folder)
        try:
            values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            message = f"{folder} is not a weights folder: it has no {CONFIG_FILE}"
            raise WeightsError("weights_missing", message) from None
        except ValueError as error:
            message = f"{CONFIG_FILE} is not valid JSON: {error}"
            raise WeightsError("weights_config", message) from error
        config = cls(folder, values)
        config._check()
        return config

    def _check(self) -> None:
        if self.values.get("format") != FORMAT:
            message = (
                f"{CONFIG_FILE} has format {self.values.get('format')}, not {FORMAT}"
            )
            raise WeightsError("weights_config", message)
        try:
            declared = (tuple(self.values["classes"]), tuple(self.values["maps"]))
            expected_hash = self.values["files"][MODEL_FILE]
            float(self.heatmap_reference), self.heatmap_grid
            points = self.operating_points
            ordered = 0 <= points["rule_out"] <= points["rule_in"]
            self.inputs(), self.outputs()
            float(self.novelty_threshold)
            known = set(self.body_parts) <= set(BODY_PARTS)
        except (KeyError, TypeError, ValueError) as error:
            message = f"{CONFIG_FILE} lacks or garbles an entry: {error}"
            raise WeightsError("weights_config", message) from error
        if declared != (CLASSES, MAPS) or not ordered or not known:
            message = f"{CONFIG_FILE} declares classes or thresholds this code lacks"
            raise WeightsError("weights_config", message)
        model = self.folder / MODEL_FILE
        if not model.is_file():
            raise WeightsError("weights_missing", f"{self.folder} has no {MODEL_FILE}")
        if sha256(model) != expected_hash:
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
        """The body parts that the second output was trained to name."""
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
