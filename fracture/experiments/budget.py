"""A recipe cut to the time there is on this machine."""

from __future__ import annotations

import dataclasses
import os
import platform
import time

import keras
import numpy as np

from fracture.model.network import build_network
from fracture.model.recipe import Phase, Recipe
from fracture.training.batches import FilmSequence
from fracture.training.fit import MakeSequences, compile_phase, phase_sequences

_EPOCHS = 3  # validated this often
_ENOUGH = 2.0  # seconds that a rate is measured over
_BATCHES = 6
_AVERAGED = 10  # a tenth of a phase's steps, at most


def within(recipe: Recipe, minutes: float, make_sequences: MakeSequences) -> Recipe:
    """The same recipe with epochs that train about `minutes`, or as it is if they do.

    The phases keep their shares of the films shown. Validation and the start of each
    phase come on top.
    """
    costs, shown = [], 0
    for phase in recipe.phases:
        model = build_network(recipe, phase)
        films, _ = phase_sequences(recipe, phase, model, make_sequences)
        shown = len(films.order)
        model = compile_phase(recipe, phase, model, len(films))
        costs.append(phase.epochs * shown * seconds_per_film(model, films))
    share = 60 * minutes / sum(costs)
    if share >= 1:
        return recipe
    views = share * shown * sum(phase.epochs for phase in recipe.phases)
    epoch_films = int(np.clip(views / _EPOCHS, recipe.batch_size, shown))

    def cut(phase: Phase) -> Phase:
        epochs = max(1, round(phase.epochs * share * shown / epoch_films))
        steps = epochs * epoch_films / recipe.batch_size
        # A longer average would still hold mostly the weights it began with.
        ema = phase.ema and min(phase.ema, max(0.0, 1 - _AVERAGED / steps))
        return dataclasses.replace(phase, epochs=epochs, ema=ema)

    phases = tuple(map(cut, recipe.phases))
    return dataclasses.replace(recipe, epoch_films=epoch_films, phases=phases)


def machine() -> str:
    """What the time is of."""
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"


def seconds_per_film(model: keras.Model, films: FilmSequence) -> float:
    """How long a compiled model trains on a film, augmentation included."""

    def fit(batches: int) -> float:
        films.limit = batches * films.batch_size
        films.start_epoch(0)
        begun = time.perf_counter()
        model.fit(films, verbose=0, shuffle=False)
        return (time.perf_counter() - begun) / len(films.order)

    fit(1)  # builds the graph
    cost = fit(1)
    enough = cost * films.batch_size >= _ENOUGH
    return cost if enough else fit(_BATCHES)
