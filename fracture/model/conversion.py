"""The network in other engines' formats, each proven equal before it is kept."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fracture.classes import CLASSES
from fracture.data.phantom import draw_phantom
from fracture.model.export import TOLERANCE, ParityError, difference, load_keras_model
from fracture.radiograph.letterbox import make_squares
from fracture.weights import WeightsConfig

Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Target:
    """A format to convert to.

    Attributes:
        suffix: of the file; none for a folder.
        extra: of this package, that installs the engine.
        run: path and uint8 films `(n, size, size, 1)` to outputs by name, by the
            format's own engine.
    """

    suffix: str
    extra: str
    run: Callable[[Path, np.ndarray], Outputs]


def _run_onnx(path: Path, films: np.ndarray) -> Outputs:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"film": films}), strict=True))


def _run_litert(path: Path, films: np.ndarray) -> Outputs:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    found = [runner(film=film[None]) for film in films]
    return {name: np.concatenate([f[name] for f in found]) for name in found[0]}


def _run_openvino(path: Path, films: np.ndarray) -> Outputs:
    import openvino

    # The default precision of some processors is bfloat16.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", precision)
    found = model(films)
    return {output.get_any_name(): found[output] for output in model.outputs}


def _run_saved_model(path: Path, films: np.ndarray) -> Outputs:
    import tensorflow

    model = tensorflow.saved_model.load(str(path))  # owns the variables
    return {name: values.numpy() for name, values in model.serve(films).items()}


TARGETS = {
    "onnx": Target(".onnx", "train", _run_onnx),
    "litert": Target(".tflite", "litert", _run_litert),
    "openvino": Target(".xml", "openvino", _run_openvino),
    "tf_saved_model": Target("", "train", _run_saved_model),
}


def convert(folder: str | Path, kind: str, out: str | Path) -> float:
    """Converts the Keras model of a weights folder and checks what came out.

    Args:
        folder: as written by `train.py`.
        kind: key of `TARGETS`.
        out: new file, or folder of a SavedModel; OpenVINO puts a `.bin` beside it.

    Returns:
        The largest difference of any output on six phantom films, <= `TOLERANCE`.

    Raises:
        FileExistsError: there is something at `out`.
        ModuleNotFoundError: the format's package is not installed.
        ParityError: the outputs differ; nothing is kept.
        WeightsError: see `WeightsConfig.load`.
    """
    out, target = Path(out), TARGETS[kind]
    if out.exists():
        raise FileExistsError(f"{out} exists: delete it, or name another")
    size = WeightsConfig.load(folder).image_size
    model = load_keras_model(folder)
    films = [draw_phantom(label, seed).pixels for label in CLASSES for seed in (1, 2)]
    films = make_squares(films, size)
    reference = model(films, training=False)  # the exporters want a called model, too
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as unproven:
        path = Path(unproven) / out.name
        model.export(str(path), format=kind, verbose=False)
        found = target.run(path, films)
        if found.keys() != reference.keys():
            raise ParityError(f"outputs are {sorted(found)}, not {sorted(reference)}")
        parity = difference(reference, found)
        if not parity <= TOLERANCE:  # not a number is no better
            raise ParityError(f"{kind} and Keras model differ by {parity:.2g}")
        for part in Path(unproven).iterdir():
            part.replace(out.parent / part.name)
    return parity
