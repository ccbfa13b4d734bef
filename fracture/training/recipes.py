"""Recipes: every value that defines how a network is built and trained, as data."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random changes of a training film, drawn uniformly from the stated ranges.

    Attributes:
        rotation: degrees, +-.
        zoom: relative, +-.
        shift: share of the side, +-, both directions.
        brightness: relative, +-.
        contrast: relative to mid-grey, +-.
        gamma: exponent of the grey curve, from 1 / (1 + gamma) to 1 + gamma.
        noise: largest standard deviation of added Gaussian noise, grey levels.
        horizontal_flip, vertical_flip: with probability one half.
    """

    rotation: float = 20.0
    zoom: float = 0.2
    shift: float = 0.2
    brightness: float = 0.2
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    horizontal_flip: bool = True
    vertical_flip: bool = True


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase of training.

    Attributes:
        epochs: at most this many.
        learning_rate: at its start (with a cosine schedule: its peak).
        unfreeze: None trains the head alone; an int unfreezes that many last backbone
            layers; a string unfreezes from the first layer whose name starts with it;
            "all" unfreezes everything.
        image_size: side of the square in pixels; None takes the recipe's.
        output_stride: of the network in this phase, 32 or 16.
        ema: momentum of the weight average that is validated and handed on; None is
            off. It needs many more steps than 1 / (1 - ema).
    """

    epochs: int
    learning_rate: float
    unfreeze: int | str | None = None
    image_size: int | None = None
    output_stride: int = 32
    ema: float | None = None


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network and its training.

    Attributes:
        alpha: MobileNetV2 width multiplier.
        image_size: side of the served square in pixels.
        output_stride: pixels between the cells of the served map, 32 or 16; see
            `build_network`.
        value_range: what grey 0 and 255 become inside the network.
        pretrained: starts from weights that are given; False starts from scratch.
        train_batch_norm: False keeps batch-norm statistics as they came.
        weight_decay: decoupled (AdamW); 0 is plain Adam.
        schedule: "constant", or "cosine" to zero within each phase.
        early_stopping: epochs without a better validation loss; None is off.
        plateau: (factor, patience) of ReduceLROnPlateau; None is off.
        keep: "best" (validation accuracy) or "last" epoch of each phase; a phase with
            a weight average keeps its last.
        fracture_repeats: how often an epoch shows each fractured film; normal films
            and training-only sources are shown once.
        localisation_weight: of the loss that teaches the map where the boxes are.
    """

    name: str
    description: str
    alpha: float
    image_size: int
    value_range: tuple[float, float]
    hidden_units: int
    dropout: tuple[float, float]
    l2: float
    batch_size: int
    phases: tuple[Phase, ...]
    pretrained: bool = True
    train_batch_norm: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    early_stopping: int | None = None
    plateau: tuple[float, int] | None = None
    keep: str = "last"
    fracture_repeats: int = 1
    localisation_weight: float = 0.0
    output_stride: int = 32
    augmentation: Augmentation = Augmentation()

    def to_dict(self) -> dict:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Recipe:
        """Inverse of `to_dict`, also after a pass through JSON."""
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        values["phases"] = tuple(Phase(**phase) for phase in values["phases"])
        values["augmentation"] = Augmentation(**values["augmentation"])
        return cls(**values)


_PAPER = Recipe(
    name="mobilenetv2-paper",
    description=(
        "MobileNetV2 as published: 'Real-Time Bone Fracture Detection Using "
        "MobileNetV2 and Explainable AI for Clinical Integration' (2025). The width "
        "of the dense layer and the split of the 20 epochs are not stated there: "
        "128 units, at most 20 epochs in each phase."
    ),
    alpha=0.75,
    image_size=224,
    value_range=(0.0, 1.0),
    hidden_units=128,
    dropout=(0.7, 0.5),
    l2=0.01,
    batch_size=64,
    phases=(Phase(20, 1e-4), Phase(20, 1e-4, unfreeze=30)),
    early_stopping=5,
    plateau=(0.2, 3),
    keep="best",
)

_DEFAULT = Recipe(
    name="mobilenetv2",
    description=(
        "The shipped network: the published system at full width and a resolution "
        "near the films' own, scaled as the ImageNet weights expect, its heatmap "
        "taught by box annotations."
    ),
    alpha=1.0,
    image_size=384,
    value_range=(-1.0, 1.0),
    hidden_units=128,
    dropout=(0.5, 0.3),
    l2=0.0,
    batch_size=32,
    phases=(
        Phase(1, 1e-3, image_size=320),
        Phase(14, 3e-4, unfreeze="block_3", image_size=320, ema=0.995),
        Phase(6, 1e-4, unfreeze="block_3", image_size=384, ema=0.995),
    ),
    weight_decay=0.01,
    schedule="cosine",
    fracture_repeats=4,
    localisation_weight=0.3,
    output_stride=16,
    augmentation=Augmentation(shift=0.1, contrast=0.2, gamma=0.25, noise=6.0),
)

_QUICK = dataclasses.replace(
    _DEFAULT,
    name="quick",
    description="A few minutes on two cores: to see the pipeline work.",
    image_size=224,
    phases=(Phase(2, 1e-3), Phase(5, 3e-4, unfreeze="block_13")),
    fracture_repeats=1,
)

RECIPES: dict[str, Recipe] = {r.name: r for r in (_DEFAULT, _PAPER, _QUICK)}
