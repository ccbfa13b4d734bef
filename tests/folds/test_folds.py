"""Cross-validation: dealt by group, resumable, and reported out of fold."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from toy_recipes import PLAIN

from fracture.card.card import render_card
from fracture.data.datasets import DatasetError, Example
from fracture.data.film_table import load_table
from fracture.data.labels import label_sets
from fracture.data.splits import fold_examples, read_folds, read_split
from fracture.folds.answers import cross_calibrate, serve
from fracture.folds.cross_validation import deal, load_teachers, train_fold
from fracture.folds.held_out import HeldOut, load_network, save_network
from fracture.folds.report import read_report, report_folds
from fracture.folds.teachers import recipe_in, teachers_in
from fracture.model.calibration import Serving
from fracture.model.network import build_network
from fracture.model.recipe import Phase
from fracture.model.recipes import RECIPES
from fracture.training.batches import FilmSequence
from fracture.training.run import Run

COUNT = 3
BRIEF = dataclasses.replace(
    PLAIN,
    phases=(Phase(2, 1e-2),),
    non_radiographs=2,
    batch_size=32,
)


@pytest.fixture(scope="module")
def patched():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "quick", BRIEF)
        patch.setattr("fracture.evaluation.metrics.DRAWS", 50)
        yield


def train(*arguments):
    import train as command

    shared = ["--phantoms", "24", "--seed", "1", "--backbone-weights", "none"]
    command.main([*shared, *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, patched):
    """All folds, as two sessions make them; the second looks at the test films."""
    out = tmp_path_factory.mktemp("runs") / "folds"
    train("--folds", COUNT, "--fold", 1, 2, "--out", out)
    with pytest.raises(DatasetError, match="some folds"):
        read_report(out)
    report = json.loads((out / "out_of_fold.json").read_text())
    assert report["finished"] == [1, 2] and "ensemble" not in report
    train("--folds", COUNT, "--out", out, "--resume", "--look-at-test")
    return out


@pytest.fixture(scope="module")
def table(folder):
    data = folder / "phantoms" / "manifest.csv"
    return load_table(data, folder / "split.csv", 1, ())


def held_out(folder, fold):
    return HeldOut.load(folder / f"fold-{fold}" / "films.npz")


@pytest.mark.slow
def test_every_film_is_judged_once_by_who_never_saw_its_group(folder, table):
    folds = read_folds(folder / "folds.csv")
    groups = {}
    for example, split in zip(table.examples, table.splits, strict=True):
        fold = folds[example.name]
        assert (fold == 0) == (split == "test")
        assert groups.setdefault(example.group, fold) == fold
    judged = [name for f in range(1, COUNT + 1) for name in held_out(folder, f).names]
    assert sorted(judged) == sorted(name for name, fold in folds.items() if fold)
    report = read_report(folder)
    films = report["figures"]["films"]["phantom"]
    assert sum(sum(found.values()) for found in films.values()) == len(judged)
    assert report["figures"]["fracture"]["phantom"]["auroc"]["n"] == len(judged)
    assert [row["fold"] for row in report["by_fold"]] == [1, 2, 3]


@pytest.mark.slow
def test_a_finished_fold_is_small_and_speaks_for_itself(folder, table):
    place = folder / "fold-2"
    assert {path.name for path in place.iterdir()} == {
        *("films.npz", "weights.npz", "history.csv")
    }
    with np.load(place / "weights.npz") as weights:
        kinds = {weights[name].dtype for name in weights if name != "parts"}
        assert kinds == {np.dtype(np.float16)}
    ((recipe, network),) = load_teachers(folder, [2])
    folds = deal(table, folder, COUNT, 1, ())
    run = Run(recipe, table.fold(folds, 2), 1)
    again = HeldOut.of(network, run.served("validation", network), 2)
    said = held_out(folder, 2)
    assert list(again.names) == list(said.names)
    np.testing.assert_allclose(again.logits, said.logits, atol=1e-4)
    np.testing.assert_allclose(again.maps, said.maps, atol=1e-3)
    np.testing.assert_allclose(again.novelty, said.novelty, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_report_is_the_same_from_its_files_alone(folder, table, tmp_path):
    """On another machine: weights and films of the folds are all that is needed."""
    recipe = load_teachers(folder, [])  # no network is loaded for no fold
    assert recipe == []
    before = read_report(folder)
    text = (folder / "report.md").read_text()
    report_folds(Run(BRIEF, table, 1), folder, before["finished"], COUNT, True)
    assert read_report(folder) == before and (folder / "report.md").read_text() == text
    assert "Test films, by all networks together" in text and "AUROC" in text
    assert {path.name for path in (folder / "figures").iterdir()} >= {
        *("roc-phantom.png", "reliability-phantom.png", "froc-phantom.png")
    }
    severity = before["severity_of_all"]["phantom"]
    fractured = sum(example.label != "normal" for example in table.examples)
    assert severity["films"] == fractured


@pytest.mark.slow
def test_doubtful_labels_are_listed_and_shown(folder, table):
    with (folder / "doubtful_labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    page = (folder / "doubtful_labels.html").read_text()
    assert len(rows) == read_report(folder)["doubtful"]
    chances = [float(row["label_probability"]) for row in rows]
    assert chances == sorted(chances) and all(chance < 0.1 for chance in chances)
    splits = read_split(folder / "split.csv")
    for row in rows:
        assert splits[row["name"]] != "test" and row["name"] in page
    assert page.count("data:image/jpeg") == len(rows)


class KilledSequence(FilmSequence):
    """Dies in the second epoch."""

    def __getitem__(self, batch):
        if self.epoch == 1 and self.augmentation:
            raise RuntimeError("killed here")
        return super().__getitem__(batch)


@pytest.mark.slow
def test_a_killed_fold_resumes_to_what_an_unbroken_one_says(
    folder, table, tmp_path, monkeypatch
):
    folds = deal(table, folder, COUNT, 1, ())
    run = Run(BRIEF, table, 1)
    with monkeypatch.context() as patch, pytest.raises(Exception, match="killed here"):
        patch.setattr("fracture.training.run.FilmSequence", KilledSequence)
        train_fold(run, folds, 3, tmp_path, None)
    assert not (tmp_path / "fold-3" / "films.npz").exists()
    assert (tmp_path / "fold-3" / "checkpoint" / "progress.json").is_file()
    train_fold(run, folds, 3, tmp_path, None)
    found, expected = held_out(tmp_path, 3), held_out(folder, 3)
    assert list(found.names) == list(expected.names)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-2, atol=1e-2)


@pytest.mark.slow
def test_a_student_of_all_folds_is_calibrated_out_of_fold(
    folder, weights, tmp_path, patched
):
    """Beside the folds a weights folder of the same split teaches."""
    out, master = tmp_path / "weights", tmp_path / "master"
    shutil.copytree(weights, master)
    shutil.copy(folder / "split.csv", master)
    taught = ("--distil", folder, master, "--out-of-fold", folder)
    train("--out", out, "--data", folder / "phantoms", "--recipe", "quick", *taught)
    assert set(read_split(out / "split.csv").values()) == {"train", "test"}
    config = json.loads((out / "config.json").read_text())
    report = read_report(folder)
    serving = Serving.from_dict(report["serving"])
    assert config["calibration"] == serving.calibration.to_dict()
    assert config["operating_points"] == serving.operating_points
    metrics = json.loads((out / "metrics.json").read_text())
    # They share a name with the folds' recipe.
    taught = {"teachers": COUNT + 1, "recipes": ["quick"], "saw_validation": True}
    assert metrics["taught"] == taught
    assert metrics["out_of_fold"]["fracture"] == report["figures"]["fracture"]
    assert "validation" not in metrics and "test" in metrics
    assert "out of fold (95 % interval)" in render_card(metrics)


@pytest.mark.slow
def test_students_of_folds_have_the_folds_of_their_teachers(folder, tmp_path, patched):
    out = tmp_path / "students"
    given = ("--data", folder / "phantoms", "--recipe", "quick", "--distil", folder)
    train("--folds", COUNT, "--fold", 3, "--out", out, *given)
    for name in ("folds.csv", "split.csv"):
        assert read_lines(out / name) == read_lines(folder / name)
    assert list(held_out(out, 3).names) == list(held_out(folder, 3).names)
    report = json.loads((out / "out_of_fold.json").read_text())
    assert report["finished"] == [3]


def read_lines(path):
    return sorted(path.read_text().splitlines())


@pytest.mark.slow
def test_what_does_not_fit_together_is_refused(folder, table, tmp_path, patched):
    with pytest.raises(DatasetError, match="another number of folds"):
        deal(table, folder, 5, 1, ())
    with pytest.raises(DatasetError, match="another folds"):
        train("--folds", 5, "--out", folder, "--resume")
    with (
        pytest.raises(DatasetError, match="there are none"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setitem(RECIPES, "quick", dataclasses.replace(BRIEF, early_stopping=2))
        train("--out", tmp_path / "weights", "--out-of-fold", folder)
    picky = dataclasses.replace(BRIEF, early_stopping=2)
    folds = deal(table, folder, COUNT, 1, ())
    with pytest.raises(DatasetError, match="held out"):
        train_fold(Run(picky, table), folds, 1, tmp_path, None)
    with pytest.raises(DatasetError, match="no networks of --folds"):
        load_teachers(tmp_path, [1])
    other = dataclasses.replace(BRIEF, hidden_units=4)
    with pytest.raises(DatasetError, match="cannot be used"):
        load_network(other, folder / "fold-1" / "weights.npz")
    (tmp_path / "films.npz").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="cannot be read"):
        HeldOut.load(tmp_path / "films.npz")


def test_weights_beyond_half_precision_stay_whole(tmp_path):
    network = build_network(BRIEF, parts=("hand", "leg"))
    values = network.get_weights()
    values[0][:] = 1e6
    network.set_weights(values)
    save_network(network, ("hand", "leg"), tmp_path / "weights.npz")
    network = load_network(BRIEF, tmp_path / "weights.npz")
    assert network.output["body_parts"].shape[1] == 2
    for before, after in zip(values, network.get_weights(), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-6)


def test_what_cannot_teach_is_said_to(weights, tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        teachers_in(tmp_path)
    damaged = shutil.copytree(weights, tmp_path / "damaged")
    (damaged / "model.weights.h5").write_bytes(b"no such file")
    with pytest.raises(DatasetError, match="damaged cannot teach"):
        teachers_in(damaged)
    (damaged / "config.json").write_text("{}")
    with pytest.raises(DatasetError, match="damaged cannot teach"):
        recipe_in(damaged)
    with pytest.raises(SystemExit):
        train("--folds", 2, "--distil", tmp_path, damaged)


# --- dealing and calibration, without networks ---


def films(count=200, noisy=20):
    rng = np.random.default_rng(0)
    examples = [
        Example(
            None, f"{i}", "atlas", "fractured" if i % 5 == 0 else "normal", f"g{i // 4}"
        )
        for i in range(count)
    ]
    examples += [
        Example(None, f"n{i}", "noisy", "hairline", f"g{i}" if i < 3 else f"n{i}")
        for i in range(noisy)
    ]
    splits = ["test" if int(e.group[1:]) % 10 == 9 and e.group[0] == "g" else "train"
              for e in examples]  # fmt: skip
    return examples, splits, rng


def test_folds_keep_groups_leave_out_the_noisy_and_are_stratified():
    examples, splits, _ = films()
    folds = fold_examples(examples, splits, 5, 0, ["noisy"])
    assert folds == fold_examples(examples, splits, 5, 0, ["noisy"])
    of_group, fractured = {}, np.zeros(6)
    for example, split, fold in zip(examples, splits, folds, strict=True):
        assert of_group.setdefault(example.group, fold) == fold
        if split == "test" or example.source == "noisy" or example.group in "g0g1g2":
            assert fold == 0
        else:
            assert 1 <= fold <= 5
        fractured[fold] += example.label == "fractured"
    assert fractured[1:].min() > 0.6 * fractured[1:].max()
    with pytest.raises(DatasetError, match="at least 99"):
        fold_examples(examples, splits, 99, 0, ["noisy"])


def test_no_film_calibrates_itself():
    """A fold whose logits are off by a constant is not told so by its own labels."""
    rng = np.random.default_rng(1)
    fold = np.arange(400) % 4 + 1
    fractured = rng.random(400) < 0.3
    score = rng.normal(2.0 * fractured - 1, 1) + 3.0 * (fold == 4)
    logits = np.stack([-score, score - 1, score - 1], axis=1).astype(np.float32)
    labels = ("normal", "fractured")
    sets = np.stack([label_sets(labels[int(f)], labels) for f in fractured])
    maps = rng.random((400, 3, 3)).astype(np.float16)
    names = np.arange(400).astype(str)
    held = HeldOut(names, fold, logits, maps, rng.normal(size=400).astype("f4"))
    by_fold = cross_calibrate(held, sets)
    assert by_fold.keys() == {1, 2, 3, 4}
    # The others are like each other, so what they say of fold 4 lacks its offset.
    assert by_fold[4].normal_offset < by_fold[1].normal_offset
    assert {c.films for c in by_fold.values()} == {300}
    assert serve(held, sets).calibration.films == 400
