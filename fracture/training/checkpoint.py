"""What a run remembers after every epoch, so that it survives a kill."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from fracture.training.batches import FilmSequence

HISTORY_FILE = "history.csv"
# The parts of a callback's memory that decide when it acts.
CALLBACK_STATE = ("wait", "best", "cooldown_counter", "best_epoch")

AfterEpoch = Callable[[Sequence[dict]], None]


@dataclasses.dataclass
class Progress:
    """Where a run stands; what `--resume` continues from.

    Attributes:
        phase: index of the phase the next epoch belongs to.
        epoch: epochs of that phase already done.
        weights: checkpoint file, in the run's folder.
        callbacks: class name -> remembered attributes.
        history: one row per finished epoch.
    """

    phase: int = 0
    epoch: int = 0
    weights: str = ""
    callbacks: dict[str, dict] = dataclasses.field(default_factory=dict)
    history: list[dict] = dataclasses.field(default_factory=list)

    def save(self, folder: Path, weights: keras.Model | None = None) -> None:
        """Writes the state so that a kill at any moment leaves the old or the new."""
        previous = self.weights
        if weights is not None:
            self.weights = f"phase{self.phase}-epoch{self.epoch}.weights.h5"
            weights.save_weights(folder / self.weights)
        temporary = folder / "progress.json.part"
        temporary.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        temporary.replace(folder / "progress.json")
        if previous and previous != self.weights:
            (folder / previous).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Progress:
        """Reads the state, or starts a new one where there is none."""
        path = folder / "progress.json"
        return cls(**json.loads(path.read_text("utf-8"))) if path.is_file() else cls()


def write_history(path: str | Path, history: Sequence[dict]) -> None:
    """Writes one row per epoch as CSV."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def read_history(path: str | Path) -> list[dict]:
    """What `write_history` wrote, as numbers."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [
            {key: float(v) for key, v in row.items()} for row in csv.DictReader(file)
        ]
    counts = ("phase", "epoch", "films")
    return [row | {key: int(row[key]) for key in counts if key in row} for row in rows]


class Checkpoint(keras.callbacks.Callback):
    """Saves everything the next epoch depends on; must be the last callback."""

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        films: FilmSequence,
        others: Sequence[keras.callbacks.Callback],
        after_epoch: AfterEpoch | None,
    ):
        super().__init__()
        self.folder, self.progress, self.films = folder, progress, films
        self.others = {type(other).__name__: other for other in others}
        self.after_epoch = after_epoch

    def on_train_begin(self, logs=None):
        for name, state in self.progress.callbacks.items():
            for key in state.keys() - {"stopped"}:
                setattr(self.others[name], key, state[key])

    def on_epoch_begin(self, epoch, logs=None):
        # Films and dropout are drawn anew from the epoch's number alone, because weight
        # files do not hold the state of random generators.
        draw = 1000 * self.progress.phase + epoch
        self.films.start_epoch(draw)
        layers = [*self.model.get_layer("head").dropouts, *self.model.layers]
        random = (x for x in layers if isinstance(x, keras.layers.Dropout) and x.rate)
        for index, layer in enumerate(random):
            layer.seed_generator.state.assign([self.films.seed + index, draw])

    def on_epoch_end(self, epoch, logs=None):
        row = {
            "phase": self.progress.phase + 1,
            "epoch": epoch + 1,
            "films": len(self.films.order),
            "learning_rate": float(np.asarray(self.model.optimizer.learning_rate)),
            **{name: round(float(value), 5) for name, value in (logs or {}).items()},
        }
        self.progress.history.append(row)
        self.progress.epoch = epoch + 1
        self.progress.callbacks = {
            name: {
                key: float(value)
                for key in CALLBACK_STATE
                if isinstance(value := getattr(other, key, None), (int, float))
            }
            | {"stopped": bool(self.model.stop_training)}
            for name, other in self.others.items()
        }
        self.progress.save(self.folder, self.model)
        if self.after_epoch:
            self.after_epoch(self.progress.history)
