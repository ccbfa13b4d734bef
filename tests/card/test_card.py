"""The card says what the metrics say, and nothing else."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jinja2
import numpy as np
import pytest
import yaml
from toy_films import CALIBRATION, POINTS, draw_films, example, predict

from fracture.card import console
from fracture.card.__main__ import main
from fracture.card.card import CardError, render_card
from fracture.card.figures import plot_report
from fracture.card.markdown import render
from fracture.evaluation import metrics as statistics
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.evaluate import evaluate
from fracture.evaluation.thresholds import part_operating_points
from fracture.model.recipes import RECIPES

ROOT = Path(__file__).parents[2]
MISSING = "not measured"


def figure(value, low, high, n=100):
    return {"value": value, "ci95": [low, high], "n": n}


def make_metrics(films):
    """What `train.py` writes, of made-up predictions."""
    test = draw_films(1, 480)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "DRAWS", 50)
        report = evaluate(*films)
        cohorts = (Cohort(e, np.array(g), p) for e, g, p in (test, films))
        parts = part_operating_points(*cohorts)
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
        "engines": {
            "openvino": {
                "version": "2026.4",
                "films": 400,
                "changed": 0.005,
                "probability_difference": 0.0148,
                "map_difference": 0.0105,
                "fracture": {
                    "atlas": {
                        "auroc": figure(0.936, 0.88, 0.976),
                        "ece": figure(0.047, 0.037, 0.096),
                    }
                },
            }
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
        "0.051 (-0.100 to 0.200) (head, 100 fractured test films)",
        "1.250 (0.800 to 1.600)",
        "| chest film | 31 | 0.991 (0.981 to 0.999) | not measured | 0.871 (0.800 to",
        "Grouping a severity data set's finer classes",
        "50 bootstrap draws",
        metrics["test"]["failures"]["missed"][0]["sentence"],
        "| no hardware | atlas | 110 | 20 |",
        "weights/figures/roc-atlas.png",
        "accuracy 89.26 %",
        "| leg | 80 | 20 | rule-in |",
        "| openvino | 2026.4 | 2 of 400 | 1.5e-02 | 1.1e-02 | 0.936 (0.880 to 0.976) |",
    ):
        assert text in card
    assert render_card(metrics) == card


def test_figures_out_of_fold_stand_beside_those_of_the_test(metrics):
    """And what calibrates the network is said to come from there."""
    of_folds = copy.deepcopy(metrics["test"])
    of_folds["fracture"]["atlas"]["auroc"]["value"] = 0.98765
    metrics["out_of_fold"] = {"recipe": "kin", "folds": 5, **of_folds}
    metrics["taught"] = {"teachers": 5, "recipes": ["masters"], "saw_validation": True}
    del metrics["validation"]
    card = render_card(metrics)
    for text in (
        "| figure | source | out of fold (95 % interval) | test (95 % interval) | n |",
        "| AUROC, fracture against normal | atlas | 0.988 (",
        "5 networks of the recipe `kin`",
        "taught by 5 networks of `masters`",
        "films out of fold; probabilities are right",
        "| out of fold | atlas | centre inside a box | ",
    ):
        assert text in card
    assert "from the validation films" not in card


def test_a_student_calibrated_on_validation_films_says_who_saw_them(metrics):
    assert "taught by" not in render_card(metrics)
    metrics["taught"] = {"teachers": 5, "recipes": ["masters"], "saw_validation": True}
    assert "each of these films was new to one alone" in render_card(metrics)
    taught = {"teachers": 2, "recipes": ["large", "old"], "saw_validation": False}
    metrics["taught"] = taught
    card = render_card(metrics)
    assert "2 networks of `large`, `old`. Neither it nor they saw" in card


def test_it_says_what_calibrates_the_score(metrics):
    card, counts = render_card(metrics), "counts the fracture map as well"
    assert "total 0.100 and of its strongest cell 0.200, fitted on 100" in card
    assert "hairline 0.800" in card and counts in card
    metrics["calibration"] |= {"total_weight": 0, "strongest_weight": 0}
    assert counts not in render_card(metrics)
    for name in ("severity_temperature", "total_weight", "strongest_weight"):
        del metrics["calibration"][name]
    card = render_card(metrics)  # of before there were any
    assert "temperature 1.500, normal offset 0.400, fitted on 100" in card


def test_marks_have_a_table_and_a_plot(metrics):
    card = render_card(metrics)
    figure = metrics["test"]["marks"]["atlas"]["tolerant"]["at_0.5"]
    low, high = figure["ci95"]
    assert f"{figure['value']:.3f} ({low:.3f} to {high:.3f})" in card
    assert "within 15 pixels of a box, large boxes" in card
    assert "](weights/figures/froc-atlas.png)" in card
    del metrics["test"]["marks"]
    assert "Do the marks?" not in render_card(metrics)  # of before there were any
    metrics["multiply_accumulates"] = 664_104_704
    card = render_card(metrics)
    assert "| test | | not measured |" in card and "0.66 G multiply-adds" in card


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
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "metrics.json").write_text(json.dumps(metrics))
    main(weights, tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert card == render_card(metrics)
    plots = list((weights / "figures").glob("*"))
    assert len(plots) == (5 if "normal" in labels else 1)
    for path in plots:
        assert f"](weights/figures/{path.name})" in card


@pytest.mark.parametrize("width", [50, 160])
def test_a_report_on_the_command_line_is_whole(metrics, capsys, monkeypatch, width):
    """On a narrow terminal, too: what is too long is folded, not cut."""
    monkeypatch.setattr(console, "_WIDE", width)
    left_out = {"name": "a_[b]_*c*.png", "reason": "empty", "code": "no_pixels"}
    said = {"model_version": "test-1.0+abc", "unreadable": [left_out]}
    console.print_evaluation({**metrics["test"], **said})
    text = capsys.readouterr().out
    assert "…" not in text and "AUROC, fracture against normal" in text
    assert "test-1.0+abc" in text and "a_[b]_*c*.png" in text
    for title in ("Films and findings", "Subgroups", "Heatmap against boxes", "part"):
        assert title in text
    if width == 160:
        assert re.search(r"hardware +atlas +10 +10 +- +- +- +-", text)


# --- networks and their training ---

MOBILENET = {"title": "MobileNetV2", "tag": "mobilenet", "alpha": 0.75}
RESNET = {"title": "ResNet50", "tag": "resnet", "alpha": None}
CNN = {"title": "plain CNN", "tag": "cnn", "alpha": None}


@pytest.mark.parametrize(
    ("recipe", "network", "said", "tag"),
    [
        ("mobilenetv2-paper", MOBILENET, "MobileNetV2, alpha 0.75, 224", "mobilenet"),
        ("mobilenetv2-paper", None, "MobileNetV2, alpha 0.75, 224 x 224", "mobilenet"),
        ("resnet50", RESNET, "ResNet50, 224 x 224 grey", "resnet"),
        ("resnet50", None, "resnet50, 224 x 224 grey", "resnet50"),
        ("cnn-150", CNN, "plain CNN, 150 x 150 grey", "cnn"),
        ("cnn-150", None, "cnn, 150 x 150 grey", "cnn"),
    ],
)
def test_a_card_names_its_own_network(metrics, recipe, network, said, tag):
    """Metrics of before the network was named have its recipe alone."""
    metrics["recipe"] = RECIPES[recipe].to_dict()
    if network:
        metrics["network"] = network
    card = render_card(metrics)
    front, text = card.split("\n---\n", 1)
    assert f"- **Network**: {said}" in text
    assert yaml.safe_load(front[4:])["tags"][4:] == [tag]
    assert ("It does not grade" in text) == (recipe == "cnn-150")


def test_a_recipe_from_before_there_were_backbones(metrics):
    del metrics["recipe"]["backbone"]
    assert "MobileNetV2, alpha 1.0" in render_card(metrics)


@pytest.mark.parametrize(
    ("recipe", "rows"),
    [
        (
            "mobilenetv2",
            (
                "| 1 | the head, on a frozen backbone | 320 pixels | 1 | 0.001,",
                "| 2 | the head, and the backbone from `block_3` on | 320 pixels | 14",
                "| 3 | the head, and the backbone from `block_3` on | 384 pixels | 6 |",
            ),
        ),
        (
            "mobilenetv2-paper",
            (
                "| side of the films | epochs, at most | learning rate |",
                "the last 30 layers of the backbone | 224 pixels | 20 | 0.0001, low",
            ),
        ),
        ("cnn-150", ("from scratch", "| 1 | everything | 150 pixels | 30 | 0.001 |")),
    ],
)
def test_the_phases_are_those_of_the_recipe(metrics, recipe, rows):
    metrics["recipe"] = RECIPES[recipe].to_dict()
    card = render_card(metrics)
    assert all(row in card for row in rows)
    phases = card[card.index("| phase |") : card.index("![Training and")]
    assert phases.count("\n| ") == 1 + len(RECIPES[recipe].phases)


# --- what is missing ---

# Holders of entries that have names of their own: one more or one fewer is no lack.
NAMED = {"fracture", "severity", "classes", "localisation", "subgroups", "by_size"}
NAMED |= {"body_part", "randomisation", "kinds", "part_operating_points", "marks"}
COUNTS = {"confusion", "findings"}  # tables of them are whole or missing


@pytest.fixture(scope="module")
def shipped():
    """The shipped metrics with one entry of each kind that there are many of."""

    def first(value):
        if isinstance(value, list):
            return [first(child) for child in value[:2]]
        if not isinstance(value, dict):
            return value
        for name in ("subgroups", "by_size", "body_part", "kinds"):
            if name in value:
                value = {**value, name: dict([*value[name].items()][:1])}
        return {key: first(child) for key, child in value.items()}

    text = (ROOT / "weights" / "metrics.json").read_text(encoding="utf-8")
    return first(json.loads(text))


def entries(value, at=()):
    """Where each entry of nested metrics lies; one figure's parts stand for all."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in inner:
        if isinstance(value, dict):
            yield (*at, key)
        figure = isinstance(child, dict) and "ci95" in child
        if isinstance(child, dict | list) and (not figure or key == "auroc"):
            yield from entries(child, (*at, key))


@pytest.mark.parametrize(
    "section",
    ["test", "explanation", "out_of_distribution", "part_operating_points", "parity"],
)
def test_what_older_metrics_lack_is_said_to_be_not_measured(shipped, section):
    """Without any one entry the card stays as it is, or says what it lacks."""
    metrics = copy.deepcopy(shipped)
    card, silent = render_card(metrics), []
    assert MISSING not in card
    for path in [*entries({section: metrics[section]})]:
        holder = parent(metrics, path)
        known = dict(holder)
        del holder[path[-1]]
        changed = render_card(metrics)
        named = (path[-2:-1] and path[-2] in NAMED) or COUNTS & {*path[:-1]}
        if changed != card and MISSING not in changed and not named:
            silent.append(path)
        holder.clear()
        holder.update(known)
    assert not silent


def test_a_published_split_says_what_it_leaks(metrics):
    assert "the group, kept whole" in render_card(metrics)
    metrics["leaks"] = {
        "validation": {"films": 20, "copied": 0, "grouped": 0},
        "test": {"films": 30, "copied": 0, "grouped": 0},
    }
    card = render_card(metrics)
    assert "Of 30 test films 0 have a copy" in card and "known by heart" not in card
    metrics["leaks"]["test"] |= {"copied": 11, "grouped": 12}
    card = render_card(metrics)
    assert "the group, kept whole" not in card
    assert "Of 30 test films 11 have a copy among the training films, 12 a copy" in card
    assert "not those of unseen films" in card


def test_a_plot_of_what_is_missing_is_not_drawn(metrics, tmp_path):
    del metrics["test"]["fracture"]["atlas"]["ece"]
    drawn = {path.name for path in plot_report(metrics["test"], tmp_path)}
    kinds = ("roc", "confusion", "decision", "froc")
    assert drawn == {f"{kind}-atlas.png" for kind in kinds}
    card = render_card(metrics)
    assert "Reliability diagram, atlas: not measured" in card
    assert all(f"/{name})" in card for name in drawn)


def test_metrics_without_any_test_figure_make_a_card(metrics, tmp_path):
    del metrics["test"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    main(tmp_path, tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "test AUROC not measured" in card and "model-index" not in card


@pytest.mark.parametrize("entry", ["model_version", "recipe", "data", "command"])
def test_a_card_of_nobody_is_refused(metrics, entry, tmp_path):
    del metrics[entry]
    with pytest.raises(CardError, match=entry):
        render_card(metrics)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(SystemExit, match=rf"metrics\.json lacks .*{entry}"):
        main(tmp_path, tmp_path / "card.md")
    assert not (tmp_path / "card.md").exists()


@pytest.mark.parametrize("content", [None, "{", "[]", '{"recipe": 1}'])
def test_metrics_that_are_none_are_refused(content, tmp_path):
    if content:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(SystemExit, match=r"fracture\.card: "):
        main(tmp_path, tmp_path / "card.md")


def test_a_template_prints_nothing_undefined_by_itself(tmp_path):
    """A name that a person mistypes is an error; only a macro says not measured."""
    template = tmp_path / "template.md"
    macros = '{% from "tables.md" import number %}'
    template.write_text(macros + "{{ number(metrics.a.b.c) }}")
    assert render(template, metrics={"a": {}}) == MISSING
    for wrong in ("metrics.a.b", "mertics", "metrics.a.b ~ 'x'", "1 if metrics.c"):
        (tmp_path / "wrong.md").write_text(f"{{{{ {wrong} }}}}")
        with pytest.raises(jinja2.UndefinedError):
            render(tmp_path / "wrong.md", metrics={"a": {}})


def test_publishing_checks_a_card_without_what_training_needs():
    code = (
        "import sys; sys.modules |= dict.fromkeys(('keras', 'matplotlib', 'sklearn'))\n"
        "from fracture.publishing.model_repository import check\n"
        "print(check('weights', 'MODEL_CARD.md').model_version)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.startswith("fracture-"), done.stderr
