"""The architecture, as far as a machine can check it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. A folder or module imports what lies below its own line, itself,
# and nothing else of the package.
LAYERS = (
    {"classes", "version"},
    {"radiograph"},
    {"archive", "explanation", "weights"},
    {"engine", "hub", "prediction"},
    {"classifier", "guidance"},
    {"result"},
    {"batch", "study"},
    {"rendering"},
    {"data"},
    {"model"},
    {"training"},
    {"evaluation"},
    {"card"},
    {"publishing"},
    {"experiments", "folds"},
    {"node"},
    {"commands", "web"},
)
# So are the browser port's library, whose face is `index`, and its files and folders.
PORT = ROOT / "web" / "src" / "fracture"
PORT_LAYERS = (
    {"classes", "codecs.d", "numbers"},
    {"film"},
    {"config", "download", "finding", "marks", "tiff"},
    {"dicom", "prediction"},
    {"engine", "reader", "study"},
    {"classifier"},
    {"index"},
)
PORT_MODULES = sorted(PORT.glob("**/*.ts"))
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
FACES = {"__init__", "__main__"}  # the package's own: they hand names on
# What answers a visitor; keras and what only training needs stay out of it.
SERVING = {name for names in LAYERS[:8] for name in names} | {"node", "web"}
WITHOUT_KERAS = SERVING | {"data", "card", "publishing", "commands"}
HEAVY = ("keras", "tensorflow", "sklearn", "scipy", "matplotlib")
MODULES = sorted(ROOT.glob("fracture/**/*.py"))
FIRST_PARTY = [ROOT / "app.py", ROOT / "train.py", *MODULES]


def part_of(module: str) -> str:
    """`fracture.radiograph.dicom` -> `radiograph`."""
    return [*module.split("."), "__init__"][1]


def part_of_file(path: Path) -> str:
    return path.relative_to(ROOT / "fracture").parts[0].removesuffix(".py")


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports(code: str, module_level: bool = False) -> set[str]:
    """Modules that code imports, inside functions too unless only those at its top."""
    tree, found = ast.parse(code), set()
    for node in tree.body if module_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {n if is_module(n) else node.module for n in names}
    return found


def upward(path: Path, code: str) -> set[str]:
    """The imports of a module that lead to its own floor or above it."""
    own = part_of_file(path)
    if own in FACES:
        return set()
    firsts = {module for module in imports(code) if module.startswith("fracture")}
    return {
        module
        for module in firsts
        if part_of(module) != own and FLOOR.get(part_of(module), 99) >= FLOOR[own]
    }


def circle(modules: dict[str, str]) -> list[str]:
    """Modules, by name, that import each other in a loop at their top; else nothing."""
    edges = {
        name: {
            other
            for found in imports(code, module_level=True)
            for other in (found, f"{found}.__init__")
            if other in modules and other != name
        }
        for name, code in modules.items()
    }
    while ends := [name for name, below in edges.items() if not below & edges.keys()]:
        for name in ends:
            del edges[name]
    return sorted(edges)


def named(paths: list[Path]) -> dict[str, str]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text("utf-8")
        for path in paths
    }


def test_every_part_has_a_floor():
    parts = {part_of_file(path) for path in MODULES} - FACES
    assert parts == FLOOR.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_lead_down(path):
    assert not upward(path, path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("radiograph/raster.py", "from fracture.classifier import FractureClassifier"),
        ("data/splits.py", "def f():\n    import fracture.model.recipe"),
        ("batch.py", "from fracture import study"),
        ("web/html.py", "from fracture.commands import predict"),
    ],
)
def test_an_upward_import_is_seen(module, line):
    assert upward(ROOT / "fracture" / module, line)


def test_no_circle():
    assert not circle(named(MODULES))


def test_a_circle_is_seen():
    modules = named(MODULES)
    modules["fracture.radiograph.sniff"] += "\nfrom fracture.radiograph import raster"
    modules["fracture.radiograph.sniff"] += "\nimport fracture.radiograph.reader"
    found = circle(modules)
    assert {"fracture.radiograph.reader", "fracture.radiograph.sniff"} <= set(found)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_stay_short(path):
    assert len(path.read_text("utf-8").splitlines()) <= 250


def test_folders_stay_small():
    for folder in {path.parent for path in MODULES}:
        assert len(list(folder.glob("[!_]*.py"))) <= 12, folder


@pytest.mark.parametrize("part", sorted(WITHOUT_KERAS))
def test_keras_stays_upstairs(part):
    """Below the model no module names keras; commands import it when they run."""
    for path in MODULES:
        if part_of_file(path) == part:
            found = imports(path.read_text("utf-8"))
            assert not {name.split(".")[0] for name in found} & set(HEAVY[:2]), path


def port_imports(path: Path) -> set[Path]:
    """Modules of the browser port that one of them imports."""
    text = path.read_text("utf-8")
    found = re.findall(r"""(?:from|import\() ?"(\.[^"?]*)["?]""", text)
    return {(path.parent / name).resolve() for name in found}


@pytest.mark.parametrize("path", PORT_MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_of_the_port_lead_down(path):
    def floor(module: Path) -> int:
        (name,) = {module.relative_to(PORT).parts[0].removesuffix(".ts")}
        return next(i for i, names in enumerate(PORT_LAYERS) if name in names)

    for module in port_imports(path):
        same = module.parent == path.parent != PORT
        assert same or floor(module) < floor(path), module
    assert len(path.read_text("utf-8").splitlines()) <= 250
    assert len(list(path.parent.glob("*.ts"))) <= 16


def test_the_page_knows_the_face_of_the_port_only():
    for path in (ROOT / "web" / "src").glob("**/*.ts"):
        if PORT not in path.parents:
            inner = {m for m in port_imports(path) if PORT in m.parents}
            assert inner <= {PORT / "index", PORT / "index.ts"}, path


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_serving_loads_neither_keras_nor_tensorflow():
    loaded = f"[m for m in {HEAVY} if m in sys.modules]"
    code = "import sys, fracture, app; from fracture import FractureClassifier;"
    assert run(f"{code} print({loaded})") == "[]"


def test_a_name_loads_what_it_needs_and_no_more():
    """Who reads films, in a process of their own, has no engine to wait for."""
    code = "import sys, fracture, fracture.radiograph.pool, fracture.__main__"
    assert run(f"{code}; print('numpy' in sys.modules)") == "False"
    code = "import sys, fracture.radiograph.worker"
    loaded = "any(m.startswith('onnxruntime') for m in sys.modules)"
    assert run(f"{code}; print({loaded})") == "False"
    assert run("from fracture import *; print(FractureClassifier.__name__)")


def test_only_the_web_floor_loads_gradio():
    names = [
        path.relative_to(ROOT).with_suffix("")
        for path in MODULES
        if part_of_file(path) in SERVING - {"web"}
    ]
    code = "; ".join(f"import {'.'.join(name.parts)}" for name in names)
    assert run(f"import sys; {code}; print('gradio' in sys.modules)") == "False"


def test_requirements_hold_every_dependency_of_the_package():
    """A hosted Space reads requirements.txt alone, so it repeats pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    # An engine that `fracture export` can write for; neither app nor tests need it.
    text = re.sub(r"^litert = .*", "", text, flags=re.MULTILINE)
    project = set(re.findall(r'"([a-z][a-z0-9-]*(?:\[\w+\])?[<>=][^"]*)"', text))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = {line.strip() for line in lines if line and line[0] != "#"}
    assert requirements == project - {"setuptools>=77"}


@pytest.mark.parametrize("path", FIRST_PARTY, ids=lambda p: p.name)
def test_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|work|Users)/\w", text)
