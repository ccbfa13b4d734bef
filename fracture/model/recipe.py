"""What a recipe is: every value that defines how a network is built and trained."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable


class RecipeError(ValueError):
    """A recipe cannot be changed like this; the message says why."""


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

    The rest is off unless asked for, and has random streams of its own: whoever does
    not ask gets the same films as before it was there.

    Attributes:
        scale: smallest and largest size of the film in its frame, relative, evenly on
            a logarithmic scale; boxes stay in view.
        blur: largest standard deviation of a Gaussian blur of half the films, pixels.
        jpeg: lowest quality, 1 to 95, of half the films; 0 is off.
        collimation: share of films with black or grey borders; boxes stay in view.
        paste: share of normal films for which a fracture of another film of the same
            body part is looked for; it is pasted where one fits, in about a third, see
            `fracture.training.paste`.
        mixup: both parameters of the Beta distribution of the share that one of two
            films has in their mixture (Zhang et al., ICLR 2018); 0 is off.
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
    scale: tuple[float, float] | None = None
    blur: float = 0.0
    jpeg: int = 0
    collimation: float = 0.0
    paste: float = 0.0
    mixup: float = 0.0


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
        output_stride: pixels between the cells of this phase's map; None is the
            backbone's own, whatever is served.
        ema: momentum of the weight average that is validated and handed on; None is
            off. It needs many more steps than 1 / (1 - ema).
    """

    epochs: int
    learning_rate: float
    unfreeze: int | str | None = None
    image_size: int | None = None
    output_stride: int | None = None
    ema: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and its training.

    Attributes:
        backbone: one of `fracture.model.backbones.BACKBONES`.
        alpha: width multiplier of a MobileNet.
        image_size: side of the served square in pixels.
        output_stride: pixels between the cells of the served map; None is the
            backbone's own, others are those of `Backbone.finer`.
        filters: fixed steps before the backbone, in order, of
            `fracture.model.filters.FILTERS`.
        value_range: what grey 0 and 255 become inside the network.
        head: "dense" (a ReLU layer and a softmax), "sigmoid" (a ReLU layer and one
            sigmoid, which does not grade) or "cascade" (body part first, then that
            part's classifier on principal components).
        hidden_units: width of the ReLU layer, or number of principal components.
        pretrained: starts from weights that are given; False starts from scratch.
        train_batch_norm: False keeps batch-norm statistics as they came.
        weight_decay: decoupled (AdamW); 0 is plain Adam.
        schedule: "constant", or "cosine" to zero within each phase.
        early_stopping: epochs without a better validation loss; None is off.
        plateau: (factor, patience) of ReduceLROnPlateau; None is off.
        keep: "best" (validation accuracy) or "last" epoch of each phase; a phase with
            a weight average keeps its last.
        epoch_films: most films an epoch shows, newly drawn each time; None is all.
        fracture_repeats: how often an epoch shows each fractured film; normal films
            and training-only sources are shown once.
        localisation_weight: of the loss that teaches the map where the boxes are.
        non_radiographs: pictures of each kind that teach the output `novelty`, and as
            many that measure it.
        novelty_components: principal directions of the embedding that `novelty` looks
            along.
    """

    name: str
    description: str
    image_size: int = 224
    value_range: tuple[float, float]
    hidden_units: int = 128
    dropout: tuple[float, float]
    l2: float = 0.0
    batch_size: int = 32
    phases: tuple[Phase, ...]
    backbone: str = "mobilenetv2"
    alpha: float = 1.0
    filters: tuple[str, ...] = ()
    head: str = "dense"
    pretrained: bool = True
    train_batch_norm: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    early_stopping: int | None = None
    plateau: tuple[float, int] | None = None
    keep: str = "last"
    epoch_films: int | None = None
    fracture_repeats: int = 1
    localisation_weight: float = 0.0
    output_stride: int | None = None
    augmentation: Augmentation = Augmentation()
    non_radiographs: int = 200
    novelty_components: int = 256

    def to_dict(self) -> dict:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Recipe:
        """Inverse of `to_dict`, also after a pass through JSON."""
        values = _tuples(values)
        values["phases"] = tuple(Phase(**phase) for phase in values["phases"])
        values["augmentation"] = Augmentation(**_tuples(values["augmentation"]))
        return cls(**values)

    def changed(self, changes: Iterable[str]) -> Recipe:
        """The same with other values of some fields.

        Args:
            changes: each `FIELD=VALUE` or `augmentation.FIELD=VALUE`, values in JSON.

        Raises:
            RecipeError: there is no such field, or the value is no JSON.
        """
        values = self.to_dict()
        for change in changes:
            name, _, text = change.partition("=")
            *outer, field = name.split(".")
            inside = values["augmentation"] if outer == ["augmentation"] else values
            if outer not in ([], ["augmentation"]) or field not in inside:
                raise RecipeError(f"a recipe has no field {name!r}")
            try:
                inside[field] = json.loads(text)
            except ValueError as error:
                message = f"{change!r}: the value is no JSON, such as 0.5 or null"
                raise RecipeError(message) from error
        try:
            return Recipe.from_dict(values)
        except (TypeError, ValueError, AttributeError) as error:
            raise RecipeError(f"no recipe has these values: {error}") from error

    @property
    def chooses_by_validation(self) -> bool:
        """Whether validation films decide when it stops or which epoch it keeps."""
        picks = self.keep == "best" and not all(phase.ema for phase in self.phases)
        return picks or bool(self.early_stopping or self.plateau)

    def from_scratch(self) -> Recipe:
        """The same without pretrained weights: a first phase that trains everything.

        Frozen random features teach a head nothing. Batch norms learn too.
        """
        phases = dataclasses.replace(self.phases[0], unfreeze="all"), *self.phases[1:]
        return dataclasses.replace(
            self, pretrained=False, train_batch_norm=True, phases=phases
        )


def _tuples(values: dict) -> dict:
    """Values as they were before a pass through JSON."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
