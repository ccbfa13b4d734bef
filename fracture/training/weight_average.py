"""The average of a phase's weights, with the batch statistics that belong to it.

The mean and variance that a batch norm keeps were taken with the weights of the last
few steps. The averaged weights answer otherwise, so theirs are taken anew (as in
stochastic weight averaging: Izmailov et al., UAI 2018).
"""

from __future__ import annotations

import copy

import keras

from fracture.training.batches import FilmSequence

BATCHES = 24


class WeightAverage(keras.callbacks.SwapEMAWeights):
    """Validates the averaged weights, and hands them on, with statistics of their own.

    Args:
        network: whose variables the fitted model trains.
        films: that it trains on.
    """

    def __init__(self, network: keras.Model, films: FilmSequence):
        super().__init__()
        self.network, self.films = network, films

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        self.last = [
            [variable.numpy() for variable in norm.non_trainable_variables]
            for norm in _learning_norms(self.network)
        ]
        take_statistics(self.network, self.films)

    def on_test_end(self, logs=None):
        super().on_test_end(logs)
        for norm, last in zip(_learning_norms(self.network), self.last, strict=True):
            for variable, value in zip(norm.non_trainable_variables, last, strict=True):
                variable.assign(value)


def take_statistics(network: keras.Model, films: FilmSequence) -> None:
    """Gives each batch norm that trains the statistics of the present weights.

    They are the mean over the first `BATCHES` batches of the first epoch, the same ones
    whenever this is called.
    """
    norms = _learning_norms(network)
    if not norms:
        return
    films = copy.copy(films)
    films.start_epoch(0)
    usual = [norm.momentum for norm in norms]
    for index in range(min(BATCHES, len(films))):
        for norm in norms:
            norm.momentum = index / (index + 1)
        squares, _ = films[index]
        network(squares, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def _learning_norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    norms = keras.layers.BatchNormalization
    return [x for x in network.layers if isinstance(x, norms) and x.trainable]
