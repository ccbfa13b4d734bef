"""Networks that teach another one: what they say of the very films that it sees.

Function matching (Beyer et al., CVPR 2022): teachers and student look at the same
augmented, mixed view in the same step, and the student learns what the teachers say of
it, not what the film is labelled. They speak with one voice: the mean of their logits,
which is the normalised geometric mean of their probabilities, and the mean of their
maps, each as shares of its film.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from fracture.model.network import Grid, map_grid
from fracture.model.recipe import Recipe
from fracture.training.batch_norm_folding import fold_batch_norms
from fracture.training.losses import FractureAUROC, LabelSetAccuracy

_EPSILON = 1e-9  # share of a map, inside a logarithm


class Teacher(NamedTuple):
    """A trained network.

    Attributes:
        recipe: that it was trained by.
        network: as served.
    """

    recipe: Recipe
    network: keras.Model


class Faculty(keras.layers.Layer):
    """What several teachers say together of a film at the student's size.

    Args:
        teachers: are frozen.
        side: of the student's square.
        grid: of the student's map.
    """

    def __init__(self, teachers: Sequence[Teacher], side: int, grid: Grid, **kwargs):
        super().__init__(**kwargs)
        self.side, self.networks, self.onto = side, [], []
        for teacher in teachers:
            network = teacher.network
            network.trainable = False
            outputs = [network.output[name] for name in ("logits", "evidence")]
            bare = keras.Model(network.input, outputs)
            self.networks.append(fold_batch_norms(bare))
            cells = outputs[1].shape[1]
            own = map_grid(teacher.recipe, cells)
            self.onto.append(resampling(own, network.input.shape[1], grid, side))

    def call(self, film):
        """Says `logits` `(n, 3)` and `evidence` `(n, rows, columns)`.

        The evidence is the mean of the maps' softmax over the student's cells; it sums
        to the probability of a fracture, so a film that shows none teaches no map.
        """
        said = [
            self._ask(*pair, film)
            for pair in zip(self.networks, self.onto, strict=True)
        ]
        logits, maps = (sum(part) / len(said) for part in zip(*said, strict=True))
        fracture = 1 - keras.ops.softmax(logits)[:, :1, None]
        return {"logits": logits, "evidence": maps * fracture}

    def _ask(self, network: keras.Model, onto: np.ndarray, film):
        side = network.input.shape[1]
        if side != self.side:
            film = keras.ops.image.resize(
                keras.ops.cast(film, "float32"), (side, side), antialias=True
            )
            film = keras.ops.cast(keras.ops.round(film), "uint8")
        logits, evidence = network(film, training=False)
        rows, columns = evidence.shape[1:]
        share = keras.ops.softmax(keras.ops.reshape(evidence, (-1, rows * columns)))
        share = keras.ops.reshape(share, (-1, rows, columns))
        share = keras.ops.matmul(keras.ops.matmul(onto, share), onto.T)
        total = keras.ops.sum(share, axis=(1, 2), keepdims=True)
        return logits, share / (total + _EPSILON)

    def compute_output_spec(self, film):
        rows = columns = len(self.onto[0])
        return {
            "logits": keras.KerasTensor((None, 3)),
            "evidence": keras.KerasTensor((None, rows, columns)),
        }


def resampling(own: Grid, own_side: int, other: Grid, side: int) -> np.ndarray:
    """Matrix from cells of one map to those of another over the same film.

    Each cell takes from those around its centre, in proportion to their nearness within
    the wider of both steps.

    Returns:
        float32 `(other.cells, own.cells)`, rows sum to 1.
    """
    centres, others = (
        (grid.first + grid.step * np.arange(grid.cells)) / pixels
        for grid, pixels in ((own, own_side), (other, side))
    )
    reach = max(own.step / own_side, other.step / side)
    # Beyond the outermost centre there is nothing but the outermost cell.
    others = np.clip(others, centres[0], centres[-1])
    near = np.maximum(1 - np.abs(others[:, None] - centres) / reach, 0)
    return (near / near.sum(1, keepdims=True)).astype(np.float32)


def taught(student: keras.Model, grid: Grid, teachers: Sequence[Teacher]):
    """The student's layers, with what the teachers say beside what it says itself.

    Returns:
        A model whose outputs, `logits` `(n, 2, 3)` and `evidence` `(n, 2, rows, cols)`,
        hold the student's first.
    """
    faculty = Faculty(teachers, student.input.shape[1], grid, name="faculty")
    said = faculty(student.input)
    outputs = {
        name: keras.ops.stack([student.output[name], said[name]], axis=1)
        for name in ("logits", "evidence")
    }
    return keras.Model(student.input, outputs)


def matching_loss(sets, both):
    """Divergence of the student's classes from the teachers', `(n,)`, without labels.

    Over all three classes: it is that of fracture against normal, and of hairline
    against displaced as far as there is a fracture.
    """
    student, teachers = (
        keras.ops.log_softmax(keras.ops.cast(both[:, i], "float32")) for i in (0, 1)
    )
    return keras.ops.sum(keras.ops.exp(teachers) * (teachers - student), axis=-1)


def map_matching_loss(inside, both):
    """Divergence of the student's map from the teachers', `(n,)`, without boxes."""
    cells = both.shape[2] * both.shape[3]
    both = keras.ops.reshape(keras.ops.cast(both, "float32"), (-1, 2, cells))
    target, student = both[:, 1], keras.ops.log_softmax(both[:, 0])
    share = target / (keras.ops.sum(target, axis=-1, keepdims=True) + _EPSILON)
    gap = keras.ops.log(share + _EPSILON) - student
    return keras.ops.sum(target * gap, axis=-1)


class StudentAccuracy(LabelSetAccuracy):
    """`LabelSetAccuracy` of a student beside its teachers."""

    def update_state(self, sets, both, sample_weight=None):
        super().update_state(sets, both[:, 0], sample_weight)


class StudentAUROC(FractureAUROC):
    """`FractureAUROC` of a student beside its teachers."""

    def update_state(self, sets, both, sample_weight=None):
        super().update_state(sets, both[:, 0], sample_weight)


STUDENT_METRICS = (StudentAccuracy, StudentAUROC)
