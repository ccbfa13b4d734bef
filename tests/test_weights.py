"""A weights folder from a stranger is used as declared, or refused with a code."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fracture import FractureClassifier, WeightsError
from fracture.weights import CONFIG_FILE, MODEL_FILE, WeightsConfig, sha256

SHIPPED = Path(__file__).parents[1] / "weights"
VALUES = json.loads((SHIPPED / CONFIG_FILE).read_text(encoding="utf-8"))
NAMES = [f"{a}{b}" for a in "abcdefghi" for b in "abcdefgh"]  # too many
NAN, INF = float("nan"), float("inf")
POINTS = ("operating_points", "rule_out", "threshold")
BAD = [
    *((("format",), value) for value in (1, "2", True, None, [2])),
    *((("name",), value) for value in (5, "", "../a", "a\nb", "a" * 101, None)),
    *((("version",), value) for value in (1.0, "", "<b>", {})),
    *((("classes",), value) for value in (5, None, "abc", [], ["normal"], {"a": 1})),
    *((("maps",), value) for value in (5, ["normal", [], {}], [NAN])),
    *((("input",), value) for value in (5, None, [], {}, {"shape": 5})),
    *(
        (("input", "shape"), value)
        for value in (
            [],
            [0, 0, 1],
            [-1, -1, 1],
            [384, 384],
            [384, 320, 1],
            ["a", "a", 1],
            [[384], 384, 1],
            [384.5, 384.5, 1],
            [10**9, 10**9, 1],
            "384",
        )
    ),
    *((("outputs",), value) for value in (5, [], {"novelty": 5}, {"novelty": {}})),
    *(
        (("outputs", "heatmaps", "shape"), value)
        for value in ([0, 25, 4], ["a", "b", 4], {}, [[4]], [10**9, 1, 4], [2.5], None)
    ),
    *((("body_parts",), value) for value in (5, "hand", [5], [[]], [{}], None)),
    *((("body_parts",), [name]) for name in ("", "Hand", "<b>", "a\n", "a" * 32)),
    *((("body_parts",), value) for value in (["hand"] * 4, NAMES)),
    *(
        (("out_of_distribution", "threshold"), value)
        for value in (NAN, INF, -INF, "1", None, 10**400, True, [])
    ),
    *((POINTS, value) for value in (NAN, -0.1, 1.1, 0.9, INF, "0.1", None, 10**400)),
    *((POINTS[:2], value) for value in (5, [], {}, None)),
    *((POINTS[:1], value) for value in (5, [], {}, {"rule_in": {"threshold": 0.5}})),
    (("operating_points", "rule_in", "specificity"), NAN),
    (("operating_points", "rule_in", "specificity"), {"a": 1}),
    *((("heatmap_grid", "step"), value) for value in (0, -1, NAN, INF, "16", None)),
    *((("heatmap_grid", "first"), value) for value in (NAN, -1, [], None)),
    *((("heatmap_reference",), value) for value in (0, -1, NAN, INF, "1", None, [])),
    *((("marks",), value) for value in (5, [], {"side": 0.1}, {"side": 1, "last": 1})),
    *((("marks",), {"side": value, "least": 0.3}) for value in (0, 2, NAN, "1", None)),
    *((("files",), value) for value in (5, [], {}, None)),
    *((("files", MODEL_FILE), value) for value in (5, None, "", "A" * 64, "0" * 63)),
]
TEXTS = {
    "a list": "[]",
    "a number": "5",
    "null": "null",
    "a text": '"a"',
    "nothing": "",
    "no JSON": "{",
    "nested deeply": "[" * 100_000,
    "nested objects": '{"a":' * 50_000,
    "a long number": '{"format": ' + "1" * 5000 + "}",
    "too large": '{"format": 2' + " " * 2**20 + "}",
    "not UTF-8": b'{"name": "\xff"}',
    "zeros": bytes(100),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    shutil.copy(SHIPPED / MODEL_FILE, folder)
    return folder


def refused(folder: Path, values: object) -> str:
    """The code with which both ways in refuse it."""
    content = values if isinstance(values, (str, bytes)) else json.dumps(values)
    content = content.encode() if isinstance(content, str) else content
    (folder / CONFIG_FILE).write_bytes(content)
    codes = set()
    for load in (WeightsConfig.load, FractureClassifier.from_pretrained):
        with pytest.raises(WeightsError) as caught:
            load(folder)
        assert caught.value.message and "\n" not in caught.value.message
        codes.add(caught.value.code)
    (code,) = codes
    return code


@pytest.mark.parametrize(
    ("place", "value"), BAD, ids=[f"{'.'.join(p)}={str(v)[:20]}" for p, v in BAD]
)
def test_what_no_model_has_is_refused(folder, place, value):
    values = copy.deepcopy(VALUES)
    at = values
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    assert refused(folder, values) == "weights_config"
    del at[place[-1]]
    if place[-1] not in ("specificity", "marks"):
        assert refused(folder, values) == "weights_config"


@pytest.mark.parametrize(
    ("name", "shape"),
    [("heatmaps", shape) for shape in ([], [4], [25, 25], [25, 25, 3], [24, 25, 4])]
    + [("probabilities", [2]), ("novelty", [1])]
    + [("body_parts", shape) for shape in (None, [3], [])],
)
def test_outputs_that_the_model_has_not_are_refused(folder, name, shape):
    values = copy.deepcopy(VALUES)
    values["outputs"][name]["shape"] = shape
    if shape is None:
        del values["outputs"][name]
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    with pytest.raises(WeightsError) as caught:
        FractureClassifier.from_pretrained(folder)
    assert caught.value.code == "weights_shape"


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_config_is_refused(folder, name):
    assert refused(folder, TEXTS[name]) == "weights_config"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from(sorted(VALUES)), value=JSON)
def test_any_entry_is_used_as_declared_or_refused(folder, key, value):
    (folder / CONFIG_FILE).write_text(json.dumps({**VALUES, key: value}))
    try:
        config = WeightsConfig.load(folder)
    except WeightsError as error:
        assert error.code == "weights_config"
        return
    assert config.image_size == VALUES["input"]["shape"][0]
    assert (
        0 <= config.operating_points["rule_out"] <= config.operating_points["rule_in"]
    )


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / CONFIG_FILE).mkdir()
    with pytest.raises(WeightsError) as caught:
        WeightsConfig.load(tmp_path)
    assert caught.value.code == "weights_missing"


@pytest.mark.parametrize("kind", ["external", "float", "no model"])
def test_a_model_that_is_another_is_refused(tmp_path, monkeypatch, kind):
    """Data in other files would escape the checksum, wherever they lie."""
    monkeypatch.chdir(tmp_path)
    if kind == "no model":
        (tmp_path / MODEL_FILE).write_bytes(b"ONNX" * 100)
    else:
        model = onnx.load(SHIPPED / MODEL_FILE)
        if kind == "float":
            model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
        else:
            place = {"location": "data.bin", "size_threshold": 1000}
            onnx.external_data_helper.convert_model_to_external_data(model, **place)
        onnx.save(model, tmp_path / MODEL_FILE)
        assert (tmp_path / "data.bin").exists() == (kind == "external")
    values = copy.deepcopy(VALUES)
    values["files"][MODEL_FILE] = sha256(tmp_path / MODEL_FILE)
    (tmp_path / CONFIG_FILE).write_text(json.dumps(values))
    with pytest.raises(WeightsError) as caught:
        FractureClassifier.from_pretrained(tmp_path)
    assert caught.value.code == "weights_unreadable"


def test_the_shipped_folder_is_used():
    assert np.isfinite(WeightsConfig.load(SHIPPED).novelty_threshold)
