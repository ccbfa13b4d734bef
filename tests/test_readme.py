"""What the README shows is what happens."""

import contextlib
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from npm import install
from served import serve

from fracture.web.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:7860"


def example(language: str, contains: str) -> str:
    """The README's code block in a language that contains something."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (block,) = [block for block in blocks if contains in block]
    return block


def test_the_python_example_prints_what_is_shown(monkeypatch, tmp_path):
    text = example("python", "from fracture")
    shown = README.split(text)[1].split("```\n")[2]
    for folder in ("weights", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "README.md", "exec"), {})
    assert printed.getvalue() == shown
    assert (tmp_path / "overlay.png").is_file()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The app as the README starts it, over the shipped weights."""
    with serve(ROOT / "weights", tmp_path_factory.mktemp("uploads")) as (_, url):
        yield url.rstrip("/")


def run(command: list, text: str | None = None, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, input=text, cwd=cwd, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def expect_answer(printed: str) -> None:
    assert "fracture_suspected" in printed and "model_version" in printed


def test_the_client_example_runs(url):
    text = example("python", "gradio_client").replace(ADDRESS, url)
    expect_answer(run([sys.executable, "-"], text))


def test_one_request_has_one_answer(url):
    text = example("bash", "-F film=").replace(ADDRESS, url)
    printed = run(["bash", "-euo", "pipefail", "-c", text])
    expect_answer(printed)
    assert json.loads(printed)["finding"] == "fracture_suspected"


def test_the_curl_example_runs(url):
    text = example("bash", "gradio_api").replace(ADDRESS, url)
    printed = run(["bash", "-euo", "pipefail", "-c", text])
    expect_answer(printed)
    (data,) = json.loads(printed.split("data: ")[1])
    assert data["heatmap_png"].startswith("iVBOR")


@pytest.mark.npm
def test_the_javascript_example_runs(request, url):
    project = install(request, "@gradio/client", "2.7.0")
    text = example("javascript", "@gradio/client").replace(ADDRESS, url)
    (project / "readme.mjs").write_text(f"{text}\nprocess.exit(0);", encoding="utf-8")
    expect_answer(run(["node", project / "readme.mjs"]))


def test_every_setting_is_in_the_table():
    row = r"^\| `((?:FRACTURE|GRADIO)_\w+)` \| (.*?) \|"
    rows = dict(re.findall(row, README, re.M))
    for field in dataclasses.fields(Settings):
        default = {True: "`on`", None: "`weights`"}.get(field.default)
        name = field.metadata["name"]
        assert rows.pop(name) == (default or f"`{field.default}`"), name
    assert all(name.startswith("GRADIO_") for name in rows)


def test_the_front_matter_is_that_of_a_space():
    header = README.split("---\n")[1]
    values = dict(re.findall(r"^(\w+): (.+)$", header, re.M))
    assert values["sdk"] == "gradio"
    assert (ROOT / values["app_file"]).is_file()
    assert re.fullmatch(r"3\.1[1-3]", values["python_version"].strip('"'))
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert f"gradio=={values['sdk_version']}\n" in pins
    assert len(values["short_description"]) <= 60


@pytest.mark.parametrize("name", ["1", "yes", "-1", "1.5"])
def test_settings_say_what_they_take(name):
    with pytest.raises(ValueError, match=r"FRACTURE_GUIDANCE must be on or off"):
        Settings.from_environment({"FRACTURE_GUIDANCE": name})


def test_films_worked_on_follow_the_cores(monkeypatch):
    for cores, workers in ((1, 1), (2, 2), (64, 4), (None, 1)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert Settings().workers == workers
        assert Settings(concurrency=3).workers == 3


def test_settings_come_from_the_environment():
    assert Settings.from_environment({}) == Settings()
    environment = {"FRACTURE_MAX_FILMS": " 7 ", "FRACTURE_GUIDANCE": "OFF"}
    settings = Settings.from_environment({**environment, "FRACTURE_QUEUE": ""})
    assert settings == Settings(max_films=7, guidance=False)
    assert "FRACTURE_MAX_FILMS" not in os.environ
