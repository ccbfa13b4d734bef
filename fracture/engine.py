"""What runs the network: ONNX Runtime everywhere, OpenVINO where it is installed.

Weights say in metrics.json what each engine and precision did on their validation
films; `auto` takes the fastest that changes next to no finding.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from fracture.weights import METRICS_FILE, MODEL_FILE, WeightsConfig, WeightsError

# Read when ONNX Runtime is imported. From 1.29 on it would send Microsoft events with
# hashes of the model and an identifier of the machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

AUTO, DEFAULT = "auto", "onnxruntime"
MOST_CHANGED = 0.005  # share of findings that an engine of `auto` may change
Tensors = Mapping[str, tuple[str, tuple[int, ...]]]


class EngineError(ValueError):
    """An engine cannot be used.

    Attributes:
        code: `engine_unknown`, `engine_missing` (its package is not installed) or
            `engine_unsupported` (this processor lacks the precision).
        message: a sentence a person can act on.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


class Engine(Protocol):
    """A loaded network. Thread-safe.

    Attributes:
        name: key of `ENGINES`.
        precision: `float32`, `float16` or `bfloat16`, of its arithmetic.
        version: of the library.
        threads: for one call; 0 is one per core.
        inputs, outputs: name -> type and shape without the batch.
    """

    name: str
    precision: str
    version: str
    threads: int
    inputs: Tensors
    outputs: Tensors

    def run(self, squares: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 `(n, size, size, 1)` to float32 outputs by name."""


class _OnnxRuntime(Engine):
    name, precision = "onnxruntime", "float32"

    def __init__(self, config: WeightsConfig, threads: int, jobs: int):
        import onnxruntime

        self.version, self.threads = onnxruntime.__version__, threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # An idle server must not burn its cores waiting for the next film.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Smaller shares of work keep one slow core from holding up the others.
        options.add_session_config_entry("session.dynamic_block_base", "16")
        # Parts of the model in other files would escape the checksum, so none is found.
        nowhere = str(config.folder / MODEL_FILE / "nowhere")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", nowhere
        )
        try:
            self._session = onnxruntime.InferenceSession(
                config.folder / MODEL_FILE, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the engine has no public exception type
            raise _unreadable(error) from error
        self.inputs, self.outputs = (
            {t.name: (_TYPES.get(t.type, t.type), tuple(t.shape[1:])) for t in tensors}
            for tensors in (self._session.get_inputs(), self._session.get_outputs())
        )

    def run(self, squares: np.ndarray) -> dict[str, np.ndarray]:
        names = list(self.outputs)
        return dict(
            zip(names, self._session.run(names, {"film": squares}), strict=True)
        )


class _OpenVino(Engine):
    def __init__(self, precision: str, config: WeightsConfig, threads: int, jobs: int):
        try:
            import openvino
        except ModuleNotFoundError as error:
            message = 'OpenVINO is not installed: pip install "fracture[openvino]"'
            raise EngineError("engine_missing", message) from error
        self.name = "openvino" if precision == "float32" else f"openvino-{precision}"
        self.precision, self.threads = precision, threads
        self.version = openvino.__version__.partition("-")[0]
        core, (hint, ability) = openvino.Core(), _PRECISIONS[precision]
        if ability not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            message = f"this processor does not compute in {precision}"
            raise EngineError("engine_unsupported", message)
        data = (config.folder / MODEL_FILE).read_bytes()
        if b"location" in data:  # how a model names data that no checksum covers
            raise _unreadable("it may keep data in other files")
        options = {
            # The default precision of some processors is not float32.
            "INFERENCE_PRECISION_HINT": hint,
            "NUM_STREAMS": jobs,
            "INFERENCE_NUM_THREADS": threads * jobs,
        }
        try:
            model = core.compile_model(core.read_model(data), "CPU", options)
        except Exception as error:  # as above
            raise _unreadable(error) from error
        self.inputs, self.outputs = (
            {port.any_name: _describe(port) for port in ports}
            for ports in (model.inputs, model.outputs)
        )
        self._free: queue.SimpleQueue = queue.SimpleQueue()
        for _ in range(jobs):
            self._free.put(model.create_infer_request())

    def run(self, squares: np.ndarray) -> dict[str, np.ndarray]:
        request = self._free.get()
        try:
            found = request.infer({"film": squares}, share_inputs=True)
            # The request writes into the same memory again.
            return {name: np.array(found[name]) for name in self.outputs}
        finally:
            self._free.put(request)


# ONNX Runtime's names of types, and for each precision OpenVINO's name of it and of
# the ability of a processor.
_TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
_PRECISIONS = {
    "float32": ("f32", "FP32"),
    "float16": ("f16", "FP16"),
    "bfloat16": ("bf16", "BF16"),
}


def _describe(port: Any) -> tuple[str, tuple[int, ...]]:
    """Type and shape without the batch of OpenVINO's input or output."""
    sides = list(port.partial_shape)[1:]
    shape = tuple(n.get_length() if n.is_static else -1 for n in sides)
    return str(port.element_type.to_dtype()), shape


def _unreadable(reason: object) -> WeightsError:
    message = f"{MODEL_FILE} is not a model this engine can run: {reason}"
    return WeightsError("weights_unreadable", message)


# Name -> how it is loaded, fastest first.
ENGINES: dict[str, Callable[[WeightsConfig, int, int], Engine]] = {
    "openvino-bfloat16": functools.partial(_OpenVino, "bfloat16"),
    "openvino-float16": functools.partial(_OpenVino, "float16"),
    "openvino": functools.partial(_OpenVino, "float32"),
    DEFAULT: _OnnxRuntime,
}


def load_engine(
    config: WeightsConfig, name: str = DEFAULT, threads: int = 0, jobs: int = 1
) -> Engine:
    """Loads the network of a weights folder into an engine.

    Args:
        config: of the weights.
        name: key of `ENGINES`, or `auto`: the fastest at hand of those that changed at
            most `MOST_CHANGED` of the findings on films held out, see `proofs`.
        threads: for one call; 0 takes one per core.
        jobs: calls that come at the same time.

    Raises:
        EngineError: there is no such engine, or not here.
        WeightsError: `weights_unreadable`.
    """
    if name != AUTO:
        if name not in ENGINES:
            names = ", ".join((AUTO, *ENGINES))
            message = f"there is no engine {name!r}, but {names}"
            raise EngineError("engine_unknown", message)
        return ENGINES[name](config, threads, jobs)
    proven = proofs(config)
    for name, load in ENGINES.items():
        if name in proven and proven[name]["changed"] <= MOST_CHANGED:
            with contextlib.suppress(EngineError):  # not at hand
                return load(config, threads, jobs)
    return ENGINES[DEFAULT](config, threads, jobs)


def proofs(config: WeightsConfig) -> dict[str, dict]:
    """What metrics.json says that each engine does on films held out of the training.

    Returns:
        Engine -> `changed` (share of findings other than the default engine's, [0, 1])
        and the rest that `fracture.evaluation.engines` writes; empty where the metrics
        are missing, damaged, or of other weights.
    """
    try:
        metrics = json.loads((config.folder / METRICS_FILE).read_text(encoding="utf-8"))
        if metrics["model_version"] != config.model_version:
            return {}
        engines = metrics["engines"]
        return {k: v for k, v in engines.items() if 0 <= v["changed"] <= 1}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
