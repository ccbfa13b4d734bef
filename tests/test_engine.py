"""Whatever runs the network: the same answers, or an error with its code."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from served import ROOT

from fracture import EngineError, FractureClassifier, WeightsError
from fracture.engine import (
    DEFAULT,
    ENGINES,
    MOST_CHANGED,
    load_engine,
    proofs,
)
from fracture.weights import MODEL_FILE, WeightsConfig, sha256

# Largest difference of a probability that a precision may make on random weights.
BOUNDS = {"float32": 1e-5, "float16": 0.02, "bfloat16": 0.15}


@pytest.fixture
def folder(weights, tmp_path):
    """A copy of the weights that a test may change."""
    return shutil.copytree(weights, tmp_path / "weights")


def load(name, config, **options):
    try:
        return load_engine(config, name, **options)
    except EngineError as error:
        pytest.skip(error.message)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("threads", [0, 1])
def test_every_engine_gives_the_same(weights, squares, name, threads):
    config = WeightsConfig.load(weights)
    expected = load_engine(config).run(squares)
    engine = load(name, config, threads=threads)
    assert engine.name == name and engine.threads == threads
    found = engine.run(squares)
    assert found.keys() == expected.keys()
    for output, values in expected.items():
        assert found[output].shape == values.shape
        assert found[output].dtype == np.float32
    gap = np.abs(found["probabilities"] - expected["probabilities"]).max()
    assert gap <= BOUNDS[engine.precision]
    assert engine.version


@pytest.mark.parametrize("name", ENGINES)
def test_threads_may_share_an_engine(weights, squares, name):
    engine = load(name, WeightsConfig.load(weights), threads=1, jobs=2)
    films = [squares[i : i + 1] for i in range(len(squares))]
    alone = [engine.run(film) for film in films]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(engine.run, films * 5))
    for found, expected in zip(together, alone * 5, strict=True):
        for output in expected:
            np.testing.assert_array_equal(found[output], expected[output])


def code_of(name, config):
    with pytest.raises(EngineError) as caught:
        load_engine(config, name)
    return caught.value.code


def test_an_engine_that_is_none_or_not_here(weights, monkeypatch):
    config = WeightsConfig.load(weights)
    assert code_of("tensorrt", config) == "engine_unknown"
    with pytest.raises(EngineError, match="onnxruntime"):
        FractureClassifier.from_pretrained(weights, engine="tensorrt")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert code_of("openvino", config) == "engine_missing"


def test_a_precision_that_the_processor_lacks(weights, monkeypatch):
    openvino = pytest.importorskip("openvino")

    class Old(openvino.Core):
        def get_property(self, *_):
            return ["FP32"]

    monkeypatch.setattr(openvino, "Core", Old)
    config = WeightsConfig.load(weights)
    assert code_of("openvino-bfloat16", config) == "engine_unsupported"
    assert load_engine(config, "openvino").precision == "float32"


@pytest.mark.parametrize(
    ("content", "engine"),
    [
        (None, DEFAULT),
        ("{", DEFAULT),
        ({}, DEFAULT),
        ({"openvino": {"changed": MOST_CHANGED + 1e-6}}, DEFAULT),
        ({"openvino": {"changed": float("nan")}}, DEFAULT),
        ({"openvino": {"changed": "0"}}, DEFAULT),
        ({"openvino": {}}, DEFAULT),
        ({"another": {"changed": 0}}, DEFAULT),
        ({"openvino": {"changed": MOST_CHANGED}}, "openvino"),
        ({"openvino": {"changed": 0}, DEFAULT: {"changed": 0}}, "openvino"),
    ],
)
def test_auto_takes_what_the_metrics_prove(folder, content, engine):
    pytest.importorskip("openvino")
    config = WeightsConfig.load(folder)
    if content is not None:
        metrics = {"model_version": config.model_version, "engines": content}
        text = content if isinstance(content, str) else json.dumps(metrics)
        (folder / "metrics.json").write_text(text)
    assert load_engine(config, "auto").name == engine


def test_auto_takes_what_is_here(folder, monkeypatch):
    config = WeightsConfig.load(folder)
    proof = {"openvino": {"changed": 0}}
    metrics = {"model_version": config.model_version, "engines": proof}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert proofs(config) == proof
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert load_engine(config, "auto").name == DEFAULT
    (folder / "metrics.json").write_text(json.dumps({**metrics, "model_version": "x"}))
    assert proofs(config) == {}


@pytest.mark.parametrize("name", ENGINES)
def test_data_in_other_files_is_refused(folder, squares, name):
    """They would escape the checksum of the model."""
    onnx = pytest.importorskip("onnx")
    load(name, WeightsConfig.load(folder))
    model = onnx.load(folder / MODEL_FILE)
    options = {"location": "data.bin", "size_threshold": 1}
    onnx.save(model, folder / MODEL_FILE, save_as_external_data=True, **options)
    values = json.loads((folder / "config.json").read_text())
    values["files"][MODEL_FILE] = sha256(folder / MODEL_FILE)
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError) as caught:
        FractureClassifier.from_pretrained(folder, engine=name)
    assert caught.value.code == "weights_unreadable"


def test_no_engine_tells_anybody(tmp_path):
    """ONNX Runtime would leave an identifier and a queue of events at home."""
    script = (
        "from fracture import FractureClassifier as C; C.from_pretrained('weights')"
    )
    # On a CI machine ONNX Runtime is silent of its own accord.
    environment = {k: v for k, v in os.environ.items() if k != "CI"}
    environment = {**environment, "HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)  # which this process has set
    command = [sys.executable, "-B", "-c", script]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "start",
    [
        "from fracture.__main__ import app; app(['info'], standalone_mode=False)",
        "import app",
    ],
)
def test_no_other_library_takes_the_engines_cores(start):
    """OpenBLAS's threads spin for a while after each product of matrices."""
    script = (
        f"{start}; import threadpoolctl, numpy; numpy.ones((9, 9)) @ numpy.ones(9)\n"
        "found = threadpoolctl.threadpool_info()\n"
        "print([x['num_threads'] for x in found if x['internal_api'] == 'openblas'])"
    )
    environment = {k: v for k, v in os.environ.items() if k[:8] != "OPENBLAS"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert set(json.loads(done.stdout.splitlines()[-1])) <= {1}
