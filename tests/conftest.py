"""Fixtures: one small real weights folder for the whole session."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A script's background job ignores Ctrl-C, and so would every child of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SIZE = 96


@pytest.fixture(scope="session")
def recipe():
    """A network of the shipped kind, small enough to build in a second."""
    from fracture.model.recipes import RECIPES

    return dataclasses.replace(
        RECIPES["quick"],
        alpha=0.35,
        image_size=SIZE,
        output_stride=16,
        hidden_units=16,
        batch_size=8,
    )


@pytest.fixture(scope="session")
def squares() -> np.ndarray:
    """uint8 `(6, 96, 96, 1)`: two phantom films of each class."""
    from fracture.data.phantom import draw_phantom
    from fracture.radiograph.letterbox import Letterbox

    films = [
        draw_phantom(label, seed).pixels
        for label in ("normal", "hairline", "displaced")
        for seed in (1, 2)
    ]
    return np.stack([Letterbox(*f.shape, SIZE).apply(f) for f in films])[..., None]


@pytest.fixture(scope="session")
def network(recipe, squares):
    """Random weights, yet with activations of the size that trained ones have."""
    import keras

    from fracture.data.datasets import Example
    from fracture.model.auxiliary_outputs import fit_body_parts
    from fracture.model.network import build_network
    from fracture.model.novelty import NoveltyDetector, install_novelty

    keras.utils.set_random_seed(0)
    parts = ("hand", "leg")
    model = build_network(recipe, parts=parts)
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    # One pass that takes over the batch statistics, or deep activations vanish.
    for norm in norms:
        norm.momentum = 0.0
    model(squares, training=True)
    head = model.get_layer("head")
    rng = np.random.default_rng(0)
    for layer in (head.hidden, head.classifier):
        kernel = rng.normal(0, 1, layer.kernel.shape) / np.sqrt(layer.kernel.shape[0])
        layer.set_weights([kernel, rng.normal(0, 0.1, layer.bias.shape)])
    embedding = model.predict(squares, verbose=0)["embedding"]
    films = [Example(Path(), "", "", "normal", tags=frozenset({p})) for p in parts * 3]
    fit_body_parts(model, embedding, films, parts)
    strange = model.predict(255 - squares, verbose=0)["embedding"]
    detector = NoveltyDetector.fit(embedding, strange, recipe.novelty_components)
    install_novelty(model, detector)
    return model


@pytest.fixture(scope="session")
def weights(tmp_path_factory, recipe, network, squares) -> Path:
    """A weights folder as `train.py` writes it."""
    from fracture.model.calibration import Calibration, Serving
    from fracture.model.export import export_weights

    folder = tmp_path_factory.mktemp("weights")
    serving = Serving(
        Calibration(temperature=1.5, normal_offset=0.4),
        {"rule_out": {"threshold": 0.3}, "rule_in": {"threshold": 0.7}},
        heatmap_reference=0.2,
        novelty_threshold=5.0,
    )
    export_weights(folder, recipe, network, serving, ["hand", "leg"], {}, squares)
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that the client takes for the real one, and a cache of this test's own."""
    from hub_server import TOKEN, HubServer
    from huggingface_hub import constants

    with HubServer() as server:
        url = f"{server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(time, "sleep", lambda _: None)  # before the client retries
        yield server
