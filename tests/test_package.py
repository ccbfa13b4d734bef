"""The package as pip installs it, with each interpreter that FRACTURE_PYTHONS names.

FRACTURE_PYTHONS="python3.10 python3.12" python -m pytest tests/test_package.py
"""

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHONS = os.environ.get("FRACTURE_PYTHONS", "").split()
SCRIPT = """
from fracture import FractureClassifier
classifier = FractureClassifier.from_pretrained("weights")
prediction = classifier.predict("displaced.png")
prediction.overlay().save("overlay.png")
print(prediction.finding)
"""

pytestmark = [
    pytest.mark.package,
    pytest.mark.skipif(not PYTHONS, reason="FRACTURE_PYTHONS names no interpreter"),
]


def run(*command, **options):
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy to build in, so that a build leaves nothing in the clone."""
    folder = tmp_path_factory.mktemp("source") / "fracture"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "runs")
    shutil.copytree(ROOT, folder, ignore=skipped)
    return folder


@pytest.fixture(scope="module", params=PYTHONS)
def environment(request, tmp_path_factory):
    """The commands of a clean virtual environment."""
    folder = tmp_path_factory.mktemp("environment")
    run(request.param, "-m", "venv", folder)
    return folder / "bin"


def test_wheel_and_source_distribution(environment, source, tmp_path):
    run(environment / "pip", "install", "-q", "setuptools>=77")
    code = "import setuptools.build_meta as b, sys; print(b.build_{}(sys.argv[1]))"
    for kind in ("wheel", "sdist"):
        run(environment / "python", "-c", code.format(kind), tmp_path, cwd=source)
    (wheel,), (archive,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as file:
        packed = {n for n in file.namelist() if ".dist-info/" not in n}
        (points,) = (n for n in file.namelist() if n.endswith("entry_points.txt"))
        assert "fracture = fracture.__main__:app" in file.read(points).decode()
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fracture").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == package
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert package | {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert not [name for name in names if name.startswith(("tests", "weights"))]


def test_a_clean_environment_predicts(environment, source, tmp_path):
    run(environment / "pip", "install", "-q", source)
    shutil.copytree(ROOT / "weights", tmp_path / "weights")
    shutil.copy(ROOT / "examples" / "displaced.png", tmp_path)
    found = run(environment / "python", "-c", SCRIPT, cwd=tmp_path)
    assert found.strip() == "fracture_suspected"
    assert (tmp_path / "overlay.png").is_file()
    for name in ("keras", "tensorflow", "gradio", "matplotlib", "sklearn"):
        assert subprocess.run(
            [environment / "python", "-c", f"import {name}"], capture_output=True
        ).returncode
    command = environment / "fracture"
    assert "displaced" in run(command, "predict", "displaced.png", cwd=tmp_path)
    assert "rule-out" in run(command, "info", cwd=tmp_path)
    asked = subprocess.run(
        [command, "export", "onnx"], cwd=tmp_path, capture_output=True, text=True
    )
    assert asked.returncode == 2 and 'fracture[train]"' in asked.stderr


@pytest.mark.parametrize(
    "extra",
    ["app", "bulk", "dicom", "litert", "openvino", "pacs", "train", "test"],
)
def test_extras_can_be_installed(environment, source, extra):
    version = run(
        environment / "python", "-c", "import sys; print(sys.version_info[1])"
    )
    if extra == "train" and int(version) < 11:
        pytest.skip("keras trains from Python 3.11 on")
    wanted = f"{source}[{extra}]"
    run(environment / "pip", "install", "-q", "--dry-run", wanted)
