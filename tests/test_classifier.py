"""From a weights folder and a film to a prediction."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fracture import (
    CLASSES,
    FractureClassifier,
    RadiographError,
    WeightsError,
    read_radiograph,
)
from fracture.data.phantom import draw_phantom
from fracture.prediction import Prediction
from fracture.weights import WeightsConfig, sha256


@pytest.fixture(scope="module")
def classifier(weights):
    return FractureClassifier.from_pretrained(weights)


@pytest.fixture(scope="module")
def film():
    return draw_phantom("displaced", 5).pixels


@pytest.fixture
def classifier_that_says(classifier, film, monkeypatch):
    """Predicts as if the network had answered so."""

    def predict(fracture, novelty=0.0, parts=(0.9, 0.2)):
        outputs = {
            "probabilities": np.array([[1 - fracture, 0.4 * fracture, 0.6 * fracture]]),
            "heatmaps": np.zeros((1, 3, 3, 4), np.float32),
            "body_parts": np.array([parts]),
            "novelty": np.array([novelty]),
        }
        monkeypatch.setattr(classifier, "run_squares", lambda _: outputs)
        return classifier.predict(film)

    return predict


def test_prediction(classifier, film):
    prediction = classifier.predict(film)
    assert tuple(prediction.probabilities) == CLASSES
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-6)
    fracture = 1 - prediction.probabilities["normal"]
    assert prediction.fracture_probability == fracture
    for heatmap in (prediction.heatmap, *prediction.heatmaps.values()):
        assert heatmap.shape == film.shape and heatmap.dtype == np.float32
        assert heatmap.min() >= 0 and np.isfinite(heatmap).all()
    assert set(prediction.heatmaps) == set(CLASSES)


def test_every_kind_of_source_gives_the_same(classifier, film, tmp_path):
    path = tmp_path / "film.png"
    Image.fromarray(film).save(path)
    sources = [film, path, str(path), path.read_bytes(), read_radiograph(path)]
    with path.open("rb") as file:
        results = classifier.predict([*sources, file])
    assert all(r.to_dict() == results[0].to_dict() for r in results)


def test_a_list_equals_its_films(classifier):
    films = [draw_phantom("hairline", seed).pixels for seed in range(11)]
    together = classifier.predict(films)
    for film, prediction in zip(films, together, strict=True):
        alone = classifier.predict(film)
        for name in CLASSES:
            assert prediction.probabilities[name] == pytest.approx(
                alone.probabilities[name], abs=1e-5
            )
        np.testing.assert_allclose(prediction.heatmap, alone.heatmap, atol=1e-4)
    assert classifier.predict([]) == []


def test_a_bad_film_has_its_code(classifier):
    with pytest.raises(RadiographError) as caught:
        classifier.predict(b"")
    assert caught.value.code == "empty_file"


@pytest.mark.parametrize(
    ("fracture", "finding", "severity"),
    [
        (0.0, "no_fracture_seen", None),
        (0.2999, "no_fracture_seen", None),
        (0.3, "uncertain", None),
        (0.6999, "uncertain", None),
        (0.7, "fracture_suspected", "displaced"),
        (1.0, "fracture_suspected", "displaced"),
    ],
)
def test_operating_points(classifier_that_says, fracture, finding, severity):
    prediction = classifier_that_says(fracture)
    assert (prediction.finding, prediction.severity) == (finding, severity)
    assert (severity or "") in prediction.summary


def test_body_parts_are_those_the_weights_know(classifier_that_says):
    assert classifier_that_says(0.5).body_parts == {"hand": 0.9, "leg": 0.2}


@pytest.mark.parametrize(
    ("parts", "novelty", "part"),
    [
        ((0.9, 0.2), 0.0, "hand"),
        ((0.7, 0.8), 0.0, "leg"),
        ((0.2, 0.5), 0.0, "leg"),
        ((0.4, 0.49), 0.0, None),
        ((0.9, 0.2), 5.1, None),  # not judged
    ],
)
def test_the_part_is_the_likeliest_if_one_is_clear(
    classifier_that_says, parts, novelty, part
):
    prediction = classifier_that_says(0.5, novelty, parts)
    assert prediction.body_part == prediction.to_dict()["body_part"] == part


@pytest.mark.parametrize("fracture", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("novelty", "known"), [(4.9, True), (5.1, False)])
def test_an_unknown_kind_of_image_is_not_judged(
    classifier_that_says, fracture, novelty, known
):
    prediction = classifier_that_says(fracture, novelty)
    assert prediction.in_distribution == known
    assert (prediction.finding == "not_judged") == (not known)
    codes = [warning.code for warning in prediction.warnings]
    assert ("out_of_distribution" in codes) == (not known)
    assert known or prediction.severity is None


def test_json(classifier, film):
    prediction = classifier.predict(film)
    values = prediction.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["rule_out_threshold"] == 0.3 and values["rule_in_threshold"] == 0.7
    assert (values["film_height"], values["film_width"]) == film.shape
    peak = prediction.heatmap[values["peak_y"], values["peak_x"]]
    assert peak == prediction.heatmap.max()


def with_map(prediction: Prediction, rows: slice, columns: slice, value: float):
    grids = np.zeros((4, 7, 7), np.float32)
    grids[:, rows, columns] = value
    return dataclasses.replace(prediction, grids=grids)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (slice(0, 2), slice(0, 2), "upper left"),
        (slice(3, 4), slice(3, 4), "The centre of"),
        (slice(6, 7), slice(3, 4), "lower centre"),
        (slice(3, 4), slice(6, 7), "middle right"),
    ],
)
def test_location_in_words(classifier, film, rows, columns, words):
    prediction = with_map(classifier.predict(film), rows, columns, 0.2)
    assert words in prediction.to_dict()["location"]


def test_faint_maps_point_nowhere(classifier, film):
    prediction = with_map(classifier.predict(film), slice(0, 3), slice(0, 3), 0.001)
    assert "No region" in prediction.to_dict()["location"]


def test_overlay_colours_only_the_evidence(classifier, film):
    prediction = with_map(classifier.predict(film), slice(0, 2), slice(0, 7), 0.2)
    overlay = np.asarray(prediction.overlay(marks=False))
    assert overlay.shape == (*film.shape, 3)
    height = film.shape[0]
    np.testing.assert_array_equal(overlay[height // 2 :, :, 0], film[height // 2 :])
    assert (overlay[: height // 8].std(axis=-1) > 5).mean() > 0.9
    plain = np.asarray(prediction.overlay(opacity=0, marks=False))
    np.testing.assert_array_equal(plain, np.stack([film] * 3, -1))
    with pytest.raises(ValueError, match="target must be one of"):
        prediction.overlay("broken")
    with pytest.raises(ValueError, match="opacity"):
        prediction.overlay(opacity=2)


def edit(folder, **changes):
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))


def points(**thresholds):
    return {name: {"threshold": value} for name, value in thresholds.items()}


BREAKAGES = {
    "weights_missing": [
        lambda f: (f / "config.json").unlink(),
        lambda f: (f / "model.onnx").unlink(),
    ],
    "weights_config": [
        lambda f: (f / "config.json").write_text("{"),
        lambda f: edit(f, format=99),
        lambda f: edit(f, classes=["a", "b"]),
        lambda f: edit(f, operating_points={}),
        lambda f: edit(f, heatmap_reference=None),
        lambda f: edit(f, out_of_distribution={}),
        lambda f: edit(f, body_parts=["hand", "hand"]),
        lambda f: edit(f, operating_points=points(rule_out=0.9, rule_in=0.1)),
    ],
    "weights_checksum": [lambda f: (f / "model.onnx").write_bytes(b"tampered")],
    "weights_shape": [
        lambda f: edit(f, input={"shape": [64, 64, 1]}),
        lambda f: edit(f, outputs={"probabilities": {"shape": [3]}}),
        lambda f: edit(f, body_parts=["elbow"]),
    ],
}


@pytest.mark.parametrize(
    ("code", "breakage"), [(c, b) for c, many in BREAKAGES.items() for b in many]
)
def test_a_broken_folder_is_refused(weights, tmp_path, code, breakage):
    folder = tmp_path / "weights"
    shutil.copytree(weights, folder)
    breakage(folder)
    with pytest.raises(WeightsError) as caught:
        FractureClassifier.from_pretrained(folder)
    assert caught.value.code == code


def test_a_foreign_model_with_a_right_checksum_is_refused(weights, tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(weights, folder)
    (folder / "model.onnx").write_bytes(b"not a graph")
    edit(folder, files={"model.onnx": sha256(folder / "model.onnx")})
    with pytest.raises(WeightsError) as caught:
        FractureClassifier.from_pretrained(folder)
    assert caught.value.code == "weights_unreadable"


def test_model_version_names_the_file(weights):
    config = WeightsConfig.load(weights)
    assert config.model_version.endswith(sha256(weights / "model.onnx")[:12])
