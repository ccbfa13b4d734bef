"""The card says what the metrics say, and nothing else."""

import copy
import json
import re

import pytest
import yaml
from toy_films import CALIBRATION, POINTS, draw_films, example, predict

from fracture.card.card import render_card, write_card
from fracture.card.figures import plot_report
from fracture.evaluation import metrics as statistics
from fracture.evaluation.evaluate import evaluate
from fracture.evaluation.thresholds import part_operating_points
from fracture.model.recipes import RECIPES


def figure(value, low, high, n=100):
    return {"value": value, "ci95": [low, high], "n": n}


def make_metrics(films):
    """What `train.py` writes, of made-up predictions."""
    test = draw_films(1, 480)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "DRAWS", 50)
        report = evaluate(*films)
        parts = part_operating_points((test[0], test[2]), films)
    return {
        "model_version": "fracture-test-1.0+abc",
        "command": "python train.py --data films",
        "recipe": RECIPES["quick"].to_dict(),
        "parameters": 123456,
        "data": {"atlas": {"train": {"normal": 71, "fractured": 13}}},
        "calibration": CALIBRATION.to_dict(),
        "operating_points": {k: {"threshold": v} for k, v in POINTS.items()},
        "part_operating_points": parts,
        "parity": {"export_difference": 2e-6, "gradcam_relative_difference": 3e-7},
        "out_of_distribution": {
            "threshold": 41.5,
            "quantile": 0.99,
            "kinds": {
                "chest_film": {
                    "auroc": figure(0.9912, 0.981, 0.999),
                    "flagged": figure(0.871, 0.8, 0.9),
                    "n": 31,
                }
            },
            "films_flagged": {
                split: figure(0.0123, 0.001, 0.021) for split in ("validation", "test")
            },
        },
        "explanation": {
            "randomisation": {
                "head": figure(0.0511, -0.1, 0.2),
                "last_block": figure(0.0221, -0.1, 0.1),
            },
            "deletion": {
                "by_heatmap": figure(1.5, 1.1, 1.9),
                "by_chance": figure(0.25, 0.1, 0.4),
                "difference": figure(1.25, 0.8, 1.6),
            },
        },
        "validation": report,
        "test": copy.deepcopy(report),
    }


@pytest.fixture(scope="module")
def full():
    return make_metrics(draw_films())


@pytest.fixture
def metrics(full):
    return copy.deepcopy(full)


def test_every_section_is_there(metrics):
    card = render_card(metrics)
    auroc = metrics["test"]["fracture"]["atlas"]["auroc"]
    low, high = auroc["ci95"]
    for text in (
        f"{auroc['value']:.3f} ({low:.3f} to {high:.3f})",
        "| atlas | train | 71 | 13 | 0 | 0 |",
        "0.200 (rule-out)",
        "0.600 (rule-in)",
        "123,456 parameters",
        "fracture-test-1.0+abc",
        "python train.py --data films",
        "Not cleared by the FDA, not CE-marked, not a medical device",
        "0.051 (-0.100 to 0.200) (head)",
        "1.250 (0.800 to 1.600)",
        "| chest film | 31 | 0.991 (0.981 to 0.999) | - | 0.871 (0.800 to 0.900) |",
        "Grouping a severity data set's finer classes",
        "50 bootstrap draws",
        metrics["test"]["failures"]["missed"][0]["sentence"],
        "| no hardware | atlas | 110 | 20 |",
        "weights/figures/roc-atlas.png",
        "accuracy 89.26 %",
        "| leg | rule-in |",
    ):
        assert text in card
    assert render_card(metrics) == card


def numbers(value):
    """Paths of all numbers within nested metrics, curves of figures left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("roc", "reliability", "draws"):
                yield from ((key, *path) for path in numbers(inner))
    elif isinstance(value, float):
        yield ()


def parent(metrics, path):
    for key in path[:-1]:
        metrics = metrics[key]
    return metrics


def test_a_changed_number_changes_the_card(metrics):
    """Each headline figure is rendered, not typed."""
    card = render_card(metrics)
    test, unseen = metrics["test"], []
    for path in numbers({k: test[k] for k in ("fracture", "severity", "localisation")}):
        # Subgroups show a choice of their figures.
        if "subgroups" in path or path[-1] == "prevalence":
            continue
        changed = copy.deepcopy(metrics)
        parent(changed["test"], path)[path[-1]] += 0.013
        if render_card(changed) == card:
            unseen.append(path)
    assert not unseen


def test_no_number_is_made_up(metrics):
    """Every decimal of the measured sections is one of the metrics, rounded."""
    card = render_card(metrics)
    measured = card[card.index("## Results") : card.index("## Beside other")]
    known = {f"{abs(x):.3f}" for x in re_numbers(json.dumps(metrics))}
    found = set(re.findall(r"\d+\.\d{3}(?!\d)", measured))
    assert len(found) > 50 and found <= known


def re_numbers(text):
    return map(float, re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text))


def test_hub_metadata(metrics):
    front = yaml.safe_load(
        re.match(r"---\n(.*?)\n---\n", render_card(metrics), re.S)[1]
    )
    assert front["library_name"] == "keras" and front["license"] == "apache-2.0"
    results = front["model-index"][0]["results"]
    assert [r["dataset"]["type"] for r in results] == ["atlas", "severity"]
    found = {m["name"]: m for r in results for m in r["metrics"]}
    auroc = found["AUROC, fracture against normal"]
    expected = metrics["test"]["fracture"]["atlas"]["auroc"]
    assert auroc["type"] == "roc_auc" and auroc["value"] == expected["value"]
    assert auroc["args"] == {"ci95": expected["ci95"], "n": 120}


def test_an_undefined_figure_is_a_dash_and_no_hub_result(metrics):
    undefined = {"value": None, "ci95": None, "n": 3}
    metrics["test"]["severity"]["severity"]["auroc"] = undefined
    card = render_card(metrics)
    assert "| AUROC, displaced against hairline | severity | 0." in card
    assert " | - | 3 |" in card
    assert "name: AUROC, displaced" not in card


@pytest.mark.parametrize("labels", [("normal", "hairline", "displaced"), ("hairline",)])
def test_a_few_films_make_a_card(labels, tmp_path):
    """A brief run on phantoms: no hardware, no body part, next to no film."""
    examples = [
        example(i, "phantom", label, boxes=() if label == "normal" else ((0, 0, 1, 1),))
        for i, label in enumerate(labels * 2)
    ]
    predictions = [predict((0.5, 0.3, 0.2)) for _ in examples]
    metrics = make_metrics((examples, [e.name for e in examples], predictions))
    del metrics["out_of_distribution"]
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "metrics.json").write_text(json.dumps(metrics))
    for name in ("once", "again"):
        write_card(tmp_path / "weights", tmp_path / name)
    card = (tmp_path / "once").read_bytes()
    assert card == (tmp_path / "again").read_bytes()
    for path in plot_report(metrics["test"], tmp_path / "weights" / "figures"):
        assert f"](weights/figures/{path.name})" in card.decode()
