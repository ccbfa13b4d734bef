"""The card says what the metrics say, and nothing else."""

import copy
import re

import pytest
import yaml

from fracture.training.calibration import Calibration
from fracture.training.card import render_card
from fracture.training.recipes import RECIPES


def figure(value, low, high, n=100):
    return {"value": value, "ci95": [low, high], "n": n}


@pytest.fixture
def metrics():
    fracture = dict.fromkeys(
        (
            "auroc",
            "auroc_without_hardware",
            "average_precision",
            "rule_out_sensitivity",
            "rule_out_specificity",
            "rule_in_sensitivity",
            "rule_in_specificity",
            "uncertain",
            "ece",
            "brier",
        ),
        figure(0.8123, 0.7001, 0.9002),
    )
    report = {
        "fracture": {"atlas": fracture},
        "severity": {"sr": {"auroc": {"value": None, "ci95": None, "n": 3}}},
        "localisation": {
            "atlas": {
                "pointing_game": figure(0.6543, 0.5, 0.7),
                "energy_inside": figure(0.3, 0.2, 0.4),
                "area_chance": 0.0351,
                "centre_guess": 0.0612,
            }
        },
    }
    return {
        "model_version": "fracture-test-1.0+abc",
        "command": "python train.py --data films",
        "recipe": RECIPES["quick"].to_dict(),
        "parameters": 123456,
        "data": {"atlas": {"train": {"normal": 71, "fractured": 13}}},
        "calibration": Calibration(1.25, -0.5, 77).to_dict(),
        "operating_points": {
            "rule_out": {"threshold": 0.111},
            "rule_in": {"threshold": 0.666},
        },
        "parity": {"export_difference": 2e-6, "gradcam_relative_difference": 3e-7},
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


def test_every_figure_is_there(metrics):
    card = render_card(metrics)
    for text in (
        "0.812 (0.700 to 0.900)",
        "0.654 (0.500 to 0.700)",
        "| atlas | train | 71 | 13 | 0 | 0 |",
        "0.111",
        "0.666",
        "123,456 parameters",
        "fracture-test-1.0+abc",
        "python train.py --data films",
        "not a medical device",
        "0.035",
        "0.061",
        "0.051 (-0.100 to 0.200)",
        "1.250 (0.800 to 1.600)",
    ):
        assert text in card
    assert render_card(metrics) == card


def test_a_changed_number_changes_the_card(metrics):
    card = render_card(metrics)
    metrics["test"]["fracture"]["atlas"]["auroc"] = figure(0.9, 0.8, 0.95)
    assert render_card(metrics) != card


def test_hub_metadata(metrics):
    front = yaml.safe_load(
        re.match(r"---\n(.*?)\n---\n", render_card(metrics), re.S)[1]
    )
    assert front["library_name"] == "keras" and front["license"] == "apache-2.0"
    (result,) = front["model-index"][0]["results"]  # no row for an undefined figure
    (auroc,) = result["metrics"]
    assert auroc["value"] == 0.8123 and auroc["args"]["ci95"] == [0.7001, 0.9002]
