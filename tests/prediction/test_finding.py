"""The finding of a film: one rule, one set of words, and a string wherever it goes."""

import ast
import json
import math
from pathlib import Path

import pytest

from fracture import FINDINGS
from fracture.classes import CLASSES
from fracture.prediction.finding import Finding, decide, grade

PACKAGE = Path(__file__).parents[2] / "fracture"
POINTS = {"rule_out": 0.2, "rule_in": 0.6}


@pytest.mark.parametrize(
    ("probability", "novelty", "finding"),
    [
        (0.0, -1.0, "no_fracture_seen"),
        (math.nextafter(0.2, 0), 0.0, "no_fracture_seen"),
        (0.2, 0.0, "uncertain"),
        (math.nextafter(0.6, 0), 0.0, "uncertain"),
        (0.6, 0.0, "fracture_suspected"),
        (1.0, -9.0, "fracture_suspected"),
        (0.0, math.nextafter(0, 1), "not_judged"),
        (1.0, 1.0, "not_judged"),
        (0.5, math.nan, "not_judged"),
    ],
)
def test_decide(probability, novelty, finding):
    assert decide(probability, novelty, POINTS) is Finding(finding)


@pytest.mark.parametrize("finding", Finding)
@pytest.mark.parametrize("hairline", [0.1, 0.3, 0.5])
def test_only_a_suspected_fracture_is_graded(finding, hairline):
    probabilities = dict(zip(CLASSES, (0.4, hairline, 0.6 - hairline), strict=True))
    likelier = {0.1: "displaced", 0.3: None, 0.5: "hairline"}[hairline]
    suspected = finding == "fracture_suspected"
    assert grade(finding, probabilities) == (likelier if suspected else None)


@pytest.mark.parametrize("finding", Finding)
def test_a_finding_is_a_string_everywhere(finding):
    assert json.loads(json.dumps({finding: finding})) == {finding.value: finding.value}
    assert f"{finding}" == str(finding) == "%s" % finding == finding.value  # noqa: UP031
    assert FINDINGS[finding] == finding.words == finding.summary(None)


def literals(code: str) -> set[str]:
    """Strings of a module that are a finding, keys of dictionaries left out."""
    tree = ast.parse(code)
    keys = {id(k) for d in ast.walk(tree) if isinstance(d, ast.Dict) for k in d.keys}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in keys
    } & set(FINDINGS)


def test_no_finding_is_spelt_out_elsewhere():
    modules = {p for p in PACKAGE.rglob("*.py") if literals(p.read_text("utf-8"))}
    names = {str(path.relative_to(PACKAGE)) for path in modules}
    # The card calls a share of films "uncertain".
    assert names == {"prediction/finding.py"}
