"""Network -> weights folder: ONNX, Keras weights, config.json, checksums; and back."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from fracture.classes import CLASSES, MAPS
from fracture.classifier import FractureClassifier
from fracture.model.calibration import Calibration, Serving, evidence_of
from fracture.model.network import load_network, map_grid
from fracture.model.novelty import QUANTILE
from fracture.model.recipe import Recipe
from fracture.version import __version__
from fracture.weights import (
    CONFIG_FILE,
    FORMAT,
    KERAS_FILE,
    MARKS,
    MODEL_FILE,
    sha256,
)

TOLERANCE = 1e-4
_BATCH = 8
_PASSED_ON = ("heatmaps", "body_parts", "novelty")
_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "onnxruntime", "numpy", "pillow")


class ParityError(RuntimeError):
    """The exported model does not compute what the Keras model does."""


def serving_model(network: keras.Model, calibration: Calibration) -> keras.Model:
    """The network as served: uint8 film to what `FractureClassifier` reads.

    The outputs are calibrated `probabilities`, `heatmaps`, `novelty`, and `body_parts`
    where the network names any.
    """
    maps = network.output["heatmaps"][..., MAPS.index("fracture")]
    evidence = evidence_of(maps, keras.ops)
    scores = calibration.scores(network.output["logits"], evidence, keras.ops)
    outputs = {"probabilities": keras.ops.softmax(scores)}
    outputs |= {key: network.output[key] for key in _PASSED_ON if key in network.output}
    return keras.Model(network.input, outputs, name=network.name)


def export_weights(
    folder: str | Path,
    recipe: Recipe,
    network: keras.Model,
    serving: Serving,
    body_parts: Sequence[str],
    provenance: dict,
    probe: np.ndarray,
) -> float:
    """Writes what serving and retraining need, then proves that it computes the same.

    Args:
        body_parts: what the network names, in the order of its output.
        provenance: where the training films come from.
        probe: uint8 `(n, size, size, 1)`, films to compare both models on.

    Returns:
        The largest difference of any output value, <= `TOLERANCE`.

    Raises:
        ParityError: it is larger; the folder then has no config.json.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).unlink(missing_ok=True)
    model = serving_model(network, serving.calibration)
    network.save_weights(folder / KERAS_FILE)
    model(probe[:1], training=False)  # the ONNX exporter wants a model that was called
    model.export(folder / MODEL_FILE, format="onnx", verbose=False)
    size, cells = recipe.image_size, network.output["heatmaps"].shape[1]
    first, step, _ = map_grid(recipe, cells)
    config = {
        "format": FORMAT,
        "name": f"fracture-{recipe.name}",
        "version": __version__,
        "classes": list(CLASSES),
        "maps": list(MAPS),
        "input": {
            "name": "film",
            "shape": [size, size, 1],
            "dtype": "uint8",
            "value_range": [0, 255],
            "preprocessing": "fracture.radiograph.Letterbox: aspect kept, black pad",
        },
        "outputs": {
            "probabilities": _chances("calibrated class probabilities", CLASSES),
            "heatmaps": {
                "shape": [cells, cells, len(MAPS)],
                "dtype": "float32",
                "meaning": "Grad-CAM of each class logit and of the fracture log-odds, "
                "log-odds per cell",
            },
            **_body_parts(body_parts),
            "novelty": {
                "shape": [],
                "dtype": "float32",
                "meaning": "log-odds that this is no film like those it was trained on",
            },
        },
        "body_parts": list(body_parts),
        "out_of_distribution": {
            "threshold": serving.novelty_threshold,
            "quantile": QUANTILE,
        },
        "calibration": serving.calibration.to_dict(),
        "operating_points": serving.operating_points,
        "heatmap_grid": {"first": first, "step": step},
        "heatmap_reference": serving.heatmap_reference,
        "marks": MARKS,
        "recipe": recipe.to_dict(),
        "data": provenance,
        "packages": _package_versions(),
        "files": {name: sha256(folder / name) for name in (MODEL_FILE, KERAS_FILE)},
    }
    temporary = folder / f"{CONFIG_FILE}.part"
    temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / CONFIG_FILE)
    parity = measure_parity(folder, model, probe)
    if not parity <= TOLERANCE:
        (folder / CONFIG_FILE).unlink()
        raise ParityError(f"exported and Keras model differ by {parity:.2g}")
    return parity


def _body_parts(parts: Sequence[str]) -> dict:
    """The output that names them, where there are any."""
    shown = f"probability that the film shows {', '.join(parts)}"
    return {"body_parts": _chances(shown, parts)} if parts else {}


def _chances(meaning: str, names: Sequence[str]) -> dict:
    """An output in config.json: one probability for each name."""
    size = {"shape": [len(names)], "dtype": "float32", "value_range": [0, 1]}
    return {**size, "meaning": meaning}


def measure_parity(folder: str | Path, model: keras.Model, probe: np.ndarray) -> float:
    """Largest `difference` between the exported model and a Keras one."""
    classifier = FractureClassifier.from_pretrained(folder)
    batches = np.array_split(probe, range(_BATCH, len(probe), _BATCH))
    return max(
        difference(model(films, training=False), classifier.run_squares(films))
        for films in batches
    )


def difference(reference: Mapping, found: Mapping[str, np.ndarray]) -> float:
    """Largest difference from a Keras model's outputs, relative for values beyond 1."""

    def gap(name: str) -> float:
        expected = keras.ops.convert_to_numpy(reference[name])
        return (np.abs(found[name] - expected) / np.maximum(1, np.abs(expected))).max()

    return float(np.max([gap(name) for name in found]))


def load_keras_model(folder: str | Path) -> keras.Model:
    """The Keras twin of a weights folder's exported model: same input, same outputs."""
    values = json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))
    _, network = load_network(folder)
    return serving_model(network, Calibration.from_dict(values["calibration"]))


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
