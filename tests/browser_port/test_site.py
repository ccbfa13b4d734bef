"""The site: what is written, what replaces it, and what a static Space gets."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import huggingface_hub
import pytest
from hub_server import TOKEN
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.web.words import to_json

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "weights"
PAGE = {
    "index.html": '<meta name="weights" content="weights/">',
    "sw.js": "const { files } = self.SITE;",
    "_headers": "/*\n  Cross-Origin-Opener-Policy: same-origin\n  X-Other: no\n",
    "assets/page-abc.js": "console.log(1);" * 99,
    "assets/film.png": "PNG",
}


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A clone whose page is built: what is written does not ask what a page does."""
    for name, text in PAGE.items():
        path = tmp_path / "clone" / "web" / "dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in ("app.py", "pyproject.toml", "README.md"):
        (tmp_path / "clone" / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


@pytest.fixture
def weights(tmp_path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("config.json", "model.onnx"):
        (folder / name).write_bytes((WEIGHTS / name).read_bytes())
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert TOKEN not in result.output
    return result


def written(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def listed(files: dict[str, bytes]) -> dict:
    """What the service worker is told."""
    line = files["sw.js"].decode().splitlines()[0]
    return json.loads(re.fullmatch(r"self\.SITE = (.*);", line)[1])


def test_a_site_holds_page_and_weights(clone, weights, tmp_path):
    done = run("site", tmp_path / "site", "-w", weights)
    assert done.exit_code == 0, done.output
    assert "wrote 7 files" in done.stdout
    assert f"python -m http.server 8000 --directory {tmp_path / 'site'}" in done.stdout
    files = written(tmp_path / "site")
    (folder,) = {name.split("/")[0] for name in files if name.startswith("weights-")}
    assert f'content="{folder}/"' in files["index.html"].decode()
    for name in ("config.json", "model.onnx"):
        assert files[f"{folder}/{name}"] == (weights / name).read_bytes()
    assert files["assets/film.png"] == b"PNG"
    assert files["sw.js"].decode().endswith(PAGE["sw.js"])
    loaded = files.keys() - {"sw.js", "_headers"}
    assert listed(files)["files"] == {name: len(files[name]) for name in loaded}


def test_compressed_copies_hold_the_same(clone, weights, tmp_path):
    assert run("site", tmp_path / "site", "-w", weights, "--compress").exit_code == 0
    files = written(tmp_path / "site")
    packed = [name.removesuffix(".gz") for name in files if name.endswith(".gz")]
    assert {"index.html", "sw.js", "assets/page-abc.js"} <= {*packed}
    assert any(name.endswith(".onnx") for name in packed)
    assert "assets/film.png" not in packed
    for name in packed:
        assert gzip.decompress(files[f"{name}.gz"]) == files[name]
    assert not any(name.endswith((".gz", ".br")) for name in listed(files)["files"])


def test_a_site_replaces_its_earlier_self_and_nothing_else(clone, weights, tmp_path):
    site = tmp_path / "site"
    run("site", site, "-w", weights, "--compress")
    before = listed(written(site))
    assert run("site", site, "-w", weights).exit_code == 0
    assert listed(written(site)) == before  # the same content is the same version
    (site / "CNAME").write_text("fracture.example")
    (clone / "web/dist/assets/page-abc.js").rename(clone / "web/dist/assets/page-d.js")
    config = json.loads((weights / "config.json").read_text("utf-8"))
    (weights / "config.json").write_text(json.dumps({**config, "version": "9"}))
    assert run("site", site, "-w", weights).exit_code == 0
    files = written(site)
    after = listed(files)
    assert after["version"] != before["version"]
    gone = before["files"].keys() - after["files"].keys()
    assert len(gone) == 3 and not gone & files.keys()
    assert not any(f"{name}.gz" in files for name in gone)
    assert files["CNAME"] == b"fracture.example"


def test_a_folder_of_something_else_is_left_alone(clone, weights, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "sw.js").write_text("// Chapter one")
    refused = run("site", folder, "-w", weights)
    assert refused.exit_code == 2 and "[site_exists]" in refused.stderr
    assert written(folder) == {"sw.js": b"// Chapter one"}
    refused = run("site", folder / "sw.js", "-w", weights)
    assert refused.exit_code == 2 and "[site_exists]" in refused.stderr


def test_what_a_site_lacks_is_said(clone, weights, tmp_path, monkeypatch):
    refused = run("site", tmp_path / "site", "-w", tmp_path)
    assert refused.exit_code == 2 and "[weights_missing]" in refused.stderr
    (tmp_path / "file").touch()
    refused = run("site", tmp_path / "file" / "site", "-w", weights)
    assert refused.exit_code == 2 and "[site_unwritable]" in refused.stderr
    monkeypatch.chdir(tmp_path)
    refused = run("site", tmp_path / "site", "-w", weights)
    assert refused.exit_code == 2 and "[no_page]" in refused.stderr
    assert "npm ci && npm run build" in refused.stderr
    assert not (tmp_path / "site").exists()


def test_a_static_space_is_the_page(hub, clone, weights):
    pushed = run("push", "--space", "me/page", "--static", "-w", weights)
    assert pushed.exit_code == 0, pushed.output
    space = hub.repositories["me/page"]
    card = huggingface_hub.RepoCard(space.files["README.md"].decode())
    data = card.data.to_dict()
    assert (data["sdk"], data["app_file"]) == ("static", "index.html")
    assert data["custom_headers"] == {"cross-origin-opener-policy": "same-origin"}
    assert not {"sdk_version", "python_version", "models"} & data.keys()
    assert card.text.strip().startswith("# fracture")
    assert not space.variables
    (model,) = (name for name in space.files if name.endswith("/model.onnx"))
    assert space.files[model] == (weights / "model.onnx").read_bytes()
    assert listed(space.files)["files"].keys() <= space.files.keys()

    # The next page takes the place of this one, in one commit.
    (clone / "web/dist/assets/page-abc.js").rename(clone / "web/dist/assets/page-d.js")
    commits = len(space.commits)
    assert run("push", "--space", "me/page", "--static", "-w", weights).exit_code == 0
    assert len(space.commits) == commits + 1
    assert "assets/page-d.js" in space.files
    assert "assets/page-abc.js" not in space.files


def test_static_says_what_a_space_is(hub):
    refused = run("push", "me/fracture", "--static")
    assert refused.exit_code == 2 and "--space" in refused.stderr
    assert not hub.requests


def test_the_pages_words_are_the_apps():
    found = (ROOT / "web/src/page/words.json").read_text("utf-8")
    assert found == to_json(), "python -m fracture.web.words web/src/page/words.json"


def properties(css: str, selector: str) -> dict[str, str]:
    """Custom properties in the rule whose selectors begin so."""
    rule = re.search(rf"^{selector}[ ,][^{{]*{{(.*?)}}", css, re.DOTALL | re.MULTILINE)
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", rule[1]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_colours_are_the_apps(theme, tmp_path, monkeypatch):
    """Gradio's theme gives the app its own; the page has them in page.css."""
    pytest.importorskip("gradio")
    from served import load_app

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    gradio_app = load_app()
    options = gradio_app.launch_options(gradio_app.service.settings)
    css = options["theme"]._get_theme_css()
    own = (ROOT / "web/src/page/page.css").read_text("utf-8")
    wanted, found = properties(css, ":root"), properties(own, ":root")
    if theme == "dark":
        wanted |= properties(css, ":root.dark")
        found |= properties(own, ":root.dark")
    names = {
        "ink": "body-text-color",
        "paper": "body-background-fill",
        "muted": "body-text-color-subdued",
        "line": "border-color-primary",
        "button": "button-secondary-background-fill",
    }
    for name, value in found.items():
        expected = wanted[names.get(name, name)]
        while named := re.fullmatch(r"var\(--(.+)\)", expected):
            expected = wanted[named[1]]
        assert value == expected.replace("white", "#ffffff"), name
