"""What a finished fold leaves: its weights in half precision, and what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from fracture.classes import MAPS
from fracture.data.example import DatasetError
from fracture.model.calibration import evidence_of
from fracture.model.network import build_network
from fracture.model.recipe import Recipe
from fracture.training.batches import FilmSequence

WEIGHTS_FILE, FILMS_FILE = "weights.npz", "films.npz"


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """What networks say of films that they were not trained on, as it comes out.

    Attributes:
        names: of the films, `(n,)`.
        fold: whose network speaks, `(n,)`.
        logits: of the classes, float32 `(n, 3)`, not calibrated.
        maps: float16 `(n, rows, columns)`, Grad-CAM of the fracture log-odds.
        novelty: float32 `(n,)`, log-odds that this is no such film.
    """

    names: np.ndarray
    fold: np.ndarray
    logits: np.ndarray
    maps: np.ndarray
    novelty: np.ndarray

    @property
    def evidence(self) -> np.ndarray:
        """What the maps say in two numbers, see `evidence_of`: float32 `(n, 2)`."""
        return evidence_of(self.maps.astype(np.float32))

    @classmethod
    def of(cls, network: keras.Model, films: FilmSequence, fold: int) -> HeldOut:
        """Asks a network, with a progress bar."""
        outputs = network.predict(films)
        maps = outputs["heatmaps"][..., MAPS.index("fracture")]
        return cls(
            np.array([example.name for example in films.examples]),
            np.full(len(films.examples), fold),
            outputs["logits"].astype(np.float32),
            maps.astype(np.float16),
            outputs["novelty"].astype(np.float32),
        )

    @classmethod
    def joined(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """The films of several folds, one after the other."""
        names = [field.name for field in dataclasses.fields(cls)]
        columns = ([getattr(part, name) for part in parts] for name in names)
        return cls(*map(np.concatenate, columns))

    @classmethod
    def mean(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """What several networks say together of the same films; of no fold: 0."""
        means = (
            np.mean([getattr(part, name) for part in parts], 0, np.float32)
            for name in ("logits", "maps", "novelty")
        )
        return cls(parts[0].names, np.zeros_like(parts[0].fold), *means)

    def save(self, path: Path) -> None:
        """Writes it whole or not at all."""
        part = path.with_suffix(".part.npz")
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        np.savez_compressed(part, **values)
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> HeldOut:
        """Inverse of `save`.

        Raises:
            DatasetError: the file is damaged or of something else.
        """
        try:
            with np.load(path, allow_pickle=False) as values:
                return cls(*(values[f.name] for f in dataclasses.fields(cls)))
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(f"{path} cannot be read: {error}") from error


def save_network(network: keras.Model, parts: Sequence[str], path: Path) -> None:
    """Writes a network's weights in half precision, a quarter of a checkpoint.

    What half precision cannot hold stays as it is.

    Args:
        parts: body parts that it names.
    """
    halves = []
    for weight in network.get_weights():
        with np.errstate(over="ignore"):
            half = weight.astype(np.float16)
        halves.append(half if np.isfinite(half).all() else weight)
    np.savez_compressed(path, *halves, parts=np.array(parts, str))


def load_network(recipe: Recipe, path: Path) -> keras.Model:
    """Inverse of `save_network`, as far as half precision goes.

    Raises:
        DatasetError: the file is damaged or of another network.
    """
    try:
        with np.load(path, allow_pickle=False) as values:
            parts = tuple(values["parts"].tolist())
            weights = [values[f"arr_{i}"] for i in range(len(values) - 1)]
        network = build_network(recipe, parts=parts)
        network.set_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{path} cannot be used: {error}") from error
    return network
