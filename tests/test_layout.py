"""The architecture, as far as a machine can check it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The command line stands above both floors; its commands import when they run.
SERVING = sorted({*(ROOT / "fracture").glob("*.py")} - {ROOT / "fracture/__main__.py"})
WEB = sorted((ROOT / "fracture/web").glob("*.py"))
FORBIDDEN = ("fracture.evaluation", "fracture.training", "keras")
FIRST_PARTY = [ROOT / "app.py", ROOT / "train.py", *ROOT.glob("fracture/**/*.py")]


def test_serving_loads_neither_keras_nor_tensorflow():
    code = (
        "import sys, fracture, app; from fracture import FractureClassifier;"
        "print([m for m in ('keras', 'tensorflow', 'sklearn') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.stdout.strip() == "[]", found.stderr


def test_only_the_web_floor_loads_gradio():
    names = ", ".join(f"fracture.{path.stem}" for path in SERVING)
    code = f"import sys, {names.replace('fracture.__init__', 'fracture')}\n"
    code += "print('gradio' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.stdout.strip() == "False", found.stderr


@pytest.mark.parametrize("path", [*SERVING, *WEB], ids=lambda p: p.name)
def test_serving_never_imports_training(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not {n for n in imported if n.startswith(FORBIDDEN)}


def test_requirements_hold_every_dependency_of_the_package():
    """A hosted Space reads requirements.txt alone, so it repeats pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    # Engines that `fracture export` can write for; neither app nor tests need them.
    text = re.sub(r"^(litert|openvino) = .*", "", text, flags=re.MULTILINE)
    project = set(re.findall(r'"([a-z][a-z0-9-]*[<>=][^"]*)"', text))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = {line.strip() for line in lines if line and line[0] != "#"}
    assert requirements == project - {"setuptools>=77"}


@pytest.mark.parametrize("path", FIRST_PARTY, ids=lambda p: p.name)
def test_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|work|Users)/\w", text)
