"""Figures against films whose answer is known."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn import metrics as reference
from toy_films import CORNER, POINTS, draw_films, example, predict

from fracture.card.figures import plot_report
from fracture.evaluation import metrics
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.evaluate import evaluate
from fracture.evaluation.localisation import localisation_figures
from fracture.evaluation.metrics import (
    auroc,
    bootstrap,
    expected_calibration_error,
    mean,
)
from fracture.evaluation.thresholds import part_operating_points, threshold_table
from fracture.model.calibration import Calibration, operating_points


@pytest.fixture(autouse=True, scope="module")
def few_draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "DRAWS", 100)
        yield


@pytest.fixture(scope="module")
def films():
    return draw_films()


@pytest.fixture(scope="module")
def report(films):
    return evaluate(*films)


def test_bootstrap_covers_and_respects_groups(monkeypatch):
    monkeypatch.setattr(metrics, "DRAWS", 2000)
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)  # ten copies of forty numbers
    alone = bootstrap(mean, np.arange(400), values)
    grouped = bootstrap(mean, np.repeat(np.arange(40), 10), values)
    assert alone["value"] == grouped["value"] == pytest.approx(values.mean(), abs=1e-4)
    assert grouped["n"] == 400
    width_alone, width_grouped = (np.diff(f["ci95"])[0] for f in (alone, grouped))
    assert width_grouped == pytest.approx(10**0.5 * width_alone, rel=0.25)
    assert grouped["ci95"][0] < values.mean() < grouped["ci95"][1]


def test_bootstrap_is_the_same_in_parts_and_again(monkeypatch):
    values, groups = np.random.default_rng(0).random(60), np.arange(60) // 2
    once = bootstrap(mean, groups, values)
    assert bootstrap(mean, groups, values, seed=1) != once
    monkeypatch.setattr(metrics, "_CHUNK", 60 * 7)
    assert bootstrap(mean, groups, values) == once


@pytest.mark.parametrize("n", [0, 3])
def test_undefined_figures_are_none(n):
    figure = bootstrap(auroc, np.arange(n), np.ones(n, bool), np.arange(n) / 4)
    assert figure == {"value": None, "ci95": None, "n": n}


def best(reached, curve):
    """The highest rate of an ROC curve where the other one is high enough."""

    def statistic(truth, score, sample_weight):
        false, true, _ = reference.roc_curve(
            truth, score, sample_weight=sample_weight, drop_intermediate=False
        )
        rates = {"sensitivity": true, "specificity": 1 - false}
        other = rates[({*rates} - {curve}).pop()]
        return rates[curve][other >= reached - 1e-9].max()

    return statistic


@pytest.mark.parametrize(
    ("statistic", "expected", "called"),
    [
        (auroc, reference.roc_auc_score, False),
        (metrics.average_precision, reference.average_precision_score, False),
        (metrics.sensitivity_at(0.9), best(0.9, "sensitivity"), False),
        (metrics.specificity_at(0.95), best(0.95, "specificity"), False),
        (metrics.f1, reference.f1_score, True),
        (metrics.kappa, reference.cohen_kappa_score, True),
    ],
)
def test_weighted_statistics_are_those_of_scikit_learn(statistic, expected, called):
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.3
    score = (rng.normal(truth, 1.0) / 4 + 0.4).clip(0, 1).round(2)  # with ties
    score = score > 0.5 if called else score
    weights = rng.integers(0, 4, (3, 300)).astype(float)
    found = statistic(truth, score, weights)
    for value, row in zip(found, weights, strict=True):
        assert value == pytest.approx(expected(truth, score, sample_weight=row))


def test_ordinal_kappa_and_macro_means_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    called = np.where(rng.random(200) < 0.6, truth, rng.integers(0, 3, 200))
    ones = np.ones((1, 200))
    assert metrics.kappa(truth, called, ones)[0] == pytest.approx(
        reference.cohen_kappa_score(truth, called, weights="quadratic")
    )
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        truth, called, average="macro"
    )
    share = metrics.macro(metrics.share)
    assert share(truth, called, ones)[0] == pytest.approx(precision)
    assert share(called, truth, ones)[0] == pytest.approx(recall)
    assert metrics.macro(metrics.f1)(truth, called, ones)[0] == pytest.approx(f1)


@pytest.mark.parametrize(
    ("truth", "probability", "expected"),
    [
        ((0, 1), (0.0, 1.0), 0.0),
        ((0, 1), (1.0, 0.0), 1.0),
        ((0, 1, 1, 1), (0.75,) * 4, 0.0),  # right on average
        ((0, 0, 0, 1), (0.75,) * 4, 0.5),
        ((0, 0, 1, 1), (0.1, 0.1, 0.6, 0.6), 0.25),  # 0.1 and 0.4 in halves
    ],
)
def test_calibration_error(truth, probability, expected):
    truth, probability = np.array(truth, bool), np.array(probability)
    found = expected_calibration_error(truth, probability, np.ones((1, len(truth))))
    assert found[0] == pytest.approx(expected)


@pytest.mark.parametrize("separation", [0.5, 1.5, 6.0])
def test_operating_points(separation):
    rng = np.random.default_rng(0)
    fractured = rng.random(500) < 0.2
    probability = 1 / (1 + np.exp(-rng.normal(separation * fractured, 1)))
    points = operating_points(fractured, probability)
    out, inward = points["rule_out"], points["rule_in"]
    assert np.mean(probability[fractured] >= out["threshold"]) == out["sensitivity"]
    assert np.mean(probability[~fractured] < inward["threshold"]) == pytest.approx(
        inward["specificity"]
    )
    assert out["sensitivity"] >= 0.95 and inward["specificity"] >= 0.95
    assert 0 <= out["threshold"] <= inward["threshold"] <= 1
    nearest = min(np.abs(probability - p["threshold"]).min() for p in points.values())
    assert nearest > 0  # no film sits on a threshold


def test_threshold_table_counts_costs():
    fractured = np.array([False, False, True, True])
    rows = threshold_table(
        fractured, np.array([0.1, 0.31, 0.31, 0.9]), {"rule_in": 0.2}
    )
    (marked,) = (row for row in rows if row["operating_point"])
    assert marked == {
        "threshold": 0.2,
        "operating_point": "rule_in",
        "sensitivity": 1.0,
        "specificity": 0.5,
        "ppv": pytest.approx(2 / 3, abs=1e-5),
        "npv": 1.0,
        "referred_per_100": 75.0,
        "net_benefit": pytest.approx((2 - 0.25 * 1) / 4, abs=1e-4),
        "net_benefit_all": pytest.approx((2 - 0.25 * 2) / 4, abs=1e-4),
    }
    assert [row["threshold"] for row in rows] == sorted(r["threshold"] for r in rows)
    assert {0.02, 0.5} <= {row["threshold"] for row in rows}
    assert rows[0]["net_benefit"] == rows[0]["net_benefit_all"]  # all are referred


PERFECT = [
    ("atlas", "normal", (0.9, 0.05, 0.05)),
    ("atlas", "fractured", (0.1, 0.4, 0.5)),
    ("severity", "hairline", (0.2, 0.7, 0.1)),
    ("severity", "displaced", (0.2, 0.1, 0.7)),
] * 8


@pytest.mark.parametrize("right", [1, 0])
def test_right_and_wrong_predictions(right):
    """What is as right, and as wrong, as can be gets the best and the worst figures."""
    examples = [
        example(i, source, label, boxes=(CORNER,) if label == "fractured" else ())
        for i, (source, label, _) in enumerate(PERFECT)
    ]
    predictions = [
        predict((p, *shares), (0, 1))
        if right
        else predict((1 - p, *(p * s / (1 - p) for s in shares[::-1])), (3, 5))
        for _, _, (p, *shares) in PERFECT
    ]
    report = evaluate(examples, [e.name for e in examples], predictions)
    atlas = report["fracture"]["atlas"]
    assert list(report["fracture"]) == ["atlas"]  # the other source has no normals
    assert list(report["severity"]) == ["severity"]
    assert atlas["auroc"] == {"value": right, "ci95": [right, right], "n": 16}
    for point in POINTS:
        for measure in ("sensitivity", "specificity", "ppv", "npv"):
            figure = {"value": right, "ci95": [right, right], "n": 8}
            assert atlas[f"{point}_{measure}"] == figure
    assert atlas["uncertain"]["value"] == 0
    assert atlas["ece"]["value"] == pytest.approx(0.1 if right else 0.9, abs=1e-6)
    assert report["severity"]["severity"]["auroc"]["value"] == right
    assert report["severity"]["severity"]["macro_f1"]["value"] == right
    where = report["localisation"]["atlas"]
    assert where["pointing_game"] == {"value": right, "ci95": [right, right], "n": 8}
    assert (where["energy_inside"]["value"] > 0) == right
    assert where["area_chance"] == pytest.approx(0.09, abs=0.01)
    assert where["centre_guess"] == 0 and where["prior_guess"] == 1
    assert len(report["failures"]["missed"]) == (0 if right else 6)


def test_figures_agree_with_the_tables(report):
    figures = report["fracture"]["atlas"]
    findings, confusion = figures["findings"], figures["confusion"]
    normal, fractured = findings["normal"], findings["fractured"]
    assert sum(normal.values()) + sum(fractured.values()) == figures["films"]
    assert sum(fractured.values()) == figures["fractured"]
    sensitivity = 1 - fractured["no_fracture_seen"] / sum(fractured.values())
    specificity = 1 - normal["fracture_suspected"] / sum(normal.values())
    assert figures["rule_out_sensitivity"]["value"] == pytest.approx(sensitivity, 1e-3)
    assert figures["rule_in_specificity"]["value"] == pytest.approx(specificity, 1e-3)
    marked = {row["operating_point"]: row for row in figures["thresholds"]}
    for point in POINTS:
        for measure in ("sensitivity", "specificity", "ppv", "npv"):
            assert figures[f"{point}_{measure}"]["value"] == marked[point][measure]
    right = confusion["normal"]["normal"] + confusion["fractured"]["fractured"]
    assert figures["accuracy"]["value"] == pytest.approx(right / figures["films"], 1e-3)
    assert sum(row["films"] for row in figures["reliability"]) == figures["films"]
    gaps = sum(
        row["films"] * abs(row["probability"] - row["frequency"])
        for row in figures["reliability"]
        if row["films"]
    )
    assert figures["ece"]["value"] == pytest.approx(gaps / figures["films"], abs=2e-4)
    roc = figures["roc"]
    assert roc["sensitivity"] == sorted(roc["sensitivity"]) and len(roc["low"]) == 101
    assert np.all(np.array(roc["low"]) <= roc["high"])
    for figure in figures.values():
        if isinstance(figure, dict) and figure.get("ci95"):
            low, high = figure["ci95"]
            assert low <= high


def test_raw_probabilities_are_found_again(films, report):
    examples, groups, predictions = films
    same = Calibration()
    config = predictions[0].config
    config = dataclasses.replace(
        config, values={**config.values, "calibration": same.to_dict()}
    )
    plain = [dataclasses.replace(p, config=config) for p in predictions]
    figures = evaluate(examples, groups, plain)["fracture"]["atlas"]
    assert figures["ece"] == figures["ece_before_calibration"]
    figures = report["fracture"]["atlas"]
    assert figures["ece"] != figures["ece_before_calibration"]


def test_report_is_plain_json_and_the_same_again(films, report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert evaluate(*films) == report


def test_subgroups(report):
    groups = report["fracture"]["atlas"]["subgroups"]
    assert set(groups) == {"hand", "leg", "hardware", "no hardware", "large box"}
    assert groups["hand"]["films"] + groups["leg"]["films"] == 120
    assert groups["hardware"]["fractured"] == groups["hardware"]["films"] == 10
    assert groups["hardware"]["auroc"]["value"] is None  # no normal film has any
    assert 0.5 < groups["leg"]["auroc"]["value"] < 1
    assert groups["large box"]["auroc"] == report["fracture"]["atlas"]["auroc"]


def test_body_parts(report):
    assert report["body_part"]["hand"]["auroc"]["value"] == 1
    assert report["body_part"]["hand"]["sensitivity"]["value"] == 1
    assert 0.2 < report["body_part"]["leg"]["auroc"]["value"] < 0.8
    assert report["body_part"]["leg"]["n"] == 120  # the other source names no part
    # Of 40 hands with 0.8 and of 80 legs against hands with 0.3.
    right = 40 * 0.8 + 80 * 0.7
    assert report["likeliest_part"]["value"] == pytest.approx(right / 120, abs=0.1)
    assert report["likeliest_part"]["n"] == 120


def test_failures_are_the_surest_errors_in_words(report):
    missed = report["failures"]["missed"]
    assert 0 < len(missed) <= 6
    scores = [film["fracture_probability"] for film in missed]
    assert scores == sorted(scores) and scores[-1] < POINTS["rule_out"]
    first = missed[0]["sentence"]
    assert (
        first.startswith("Labelled fractured, ")
        and "of 9.0 % of the film (large)" in first
    )
    alarms = report["failures"]["false_alarms"]
    assert all(f["fracture_probability"] >= POINTS["rule_in"] for f in alarms)


@pytest.mark.parametrize(
    ("labels", "sections"),
    [
        (["normal"], set()),
        (["hairline", "displaced"], {"severity"}),
        (["normal", "fractured"], {"fracture"}),
        (["normal", "hairline", "displaced"], {"fracture", "severity", "classes"}),
    ],
)
def test_a_source_gets_the_figures_its_labels_allow(labels, sections):
    shares = {"normal": (0.8, 0.1, 0.1), "hairline": (0.2, 0.6, 0.2)}
    examples = [example(i, "clinic", label) for i, label in enumerate(labels * 2)]
    predictions = [predict(shares.get(e.label, (0.1, 0.2, 0.7))) for e in examples]
    report = evaluate(examples, [e.name for e in examples], predictions)
    named = ("fracture", "severity", "classes", "localisation")
    assert {section for section in named if report[section]} == sections
    counted = report["films"]["clinic"]
    assert {label: sum(found.values()) for label, found in counted.items()} == (
        dict.fromkeys(labels, 2)
    )
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize(
    ("row", "strict", "tolerant"), [(0, 1, 1), (1, 0, 1), (3, 0, 0)]
)
def test_pointing_game_and_its_tolerance(row, strict, tolerant):
    """Cells lie 16 pixels apart; the box ends between the first two."""
    thin = (0.1, 0.0, 0.12, 0.04)
    examples = [
        example(0, "atlas", "fractured", boxes=(CORNER,)),
        example(1, "atlas", "fractured", boxes=(thin, (0.0, 0.0, 0.3, 0.3))),
        example(2, "atlas", "normal"),
    ]
    predictions = [predict((0.1, 0.4, 0.5), (row, 1))] * 3
    figures = localisation_figures(Cohort(examples, np.arange(3), predictions))
    assert figures["films"] == 2 and set(figures["by_size"]) == {"large"}
    assert figures["pointing_game"]["value"] == strict
    assert figures["pointing_game_tolerant"]["value"] == tolerant
    assert figures["area_chance_tolerant"] > figures["area_chance"] > 0
    assert 0 < figures["prior_energy"] <= 1


@pytest.mark.parametrize(
    ("side", "size"), [(0.05, "small"), (0.1, "medium"), (0.2, "large")]
)
def test_sizes_of_boxes(side, size):
    examples = [
        example(0, "atlas", "fractured", boxes=((0.4, 0.4, 0.4 + side, 0.4 + side),))
    ]
    predictions = [predict((0.1, 0.4, 0.5))]
    figures = localisation_figures(Cohort(examples, np.arange(1), predictions))
    assert list(figures["by_size"]) == [size]
    assert figures["by_size"][size]["area_chance"] == figures["area_chance"]


def test_thresholds_of_body_parts():
    """A part whose scores lie lower than the others' gains by thresholds of its own."""
    examples, _, predictions = draw_films(1, 600)
    validation, test = (
        Cohort(
            examples[half],
            np.array([e.name for e in examples[half]]),
            [
                predict((1 - p.fracture_probability / 3, p.fracture_probability / 3, 0))
                if "leg" in e.tags
                else p
                for e, p in zip(examples[half], predictions[half], strict=True)
            ],
        )
        for half in (slice(0, 300), slice(300, 600))
    )
    points = part_operating_points(validation, test)
    assert points.keys() == {"hand", "leg"}  # those that the sources name
    assert not points["hand"]["supported"]  # 25 films are too few
    leg = points["leg"]
    assert leg["validation_fractured"] == 50 and leg["supported"]
    assert leg["thresholds"]["rule_in"] < POINTS["rule_in"]
    assert leg["gain"]["value"] > 0.05 and leg["gain"]["ci95"][0] > 0
    rates = [
        leg["own"][key]["value"] - leg["common"][key]["value"] for key in leg["own"]
    ]
    assert leg["gain"]["value"] == pytest.approx(np.mean(rates), abs=1e-3)


def test_plots_are_small_and_the_same_again(report, tmp_path):
    paths = plot_report(report, tmp_path / "once")
    again = plot_report(json.loads(json.dumps(report)), tmp_path / "again")
    kinds = ("roc", "reliability", "confusion", "decision", "froc")
    assert [p.name for p in paths] == [f"{kind}-atlas.png" for kind in kinds]
    for one, other in zip(paths, again, strict=True):
        assert one.read_bytes() == other.read_bytes() and one.stat().st_size < 100_000
