"""Fields of an answer: told once, and the same on every surface."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fracture import FractureClassifier
from fracture.batch import COLUMNS, row
from fracture.classes import CLASSES
from fracture.prediction import FIELDS, Field

ROOT = Path(__file__).parents[2]
NEW = 'Field("film_bits", int, "Of a pixel.", "bit", lambda film: 8),'
# What each surface says, printed by a copy of the package that has one field more.
SURFACES = """
import asyncio, json
from gradio.routes import App
from starlette.testclient import TestClient
import app
from fracture.batch import row
film = app.EXAMPLES / "normal.png"
result = asyncio.run(app.service.predict("a", film, lambda found: found))
options = app.launch_options(app.service.settings)
client = TestClient(App.create_app(app.demo, app_kwargs=options["app_kwargs"]))
api = client.get("/gradio_api/openapi.json").json()["paths"]
info = client.get("/gradio_api/info").json()["named_endpoints"]["/predict"]
print(json.dumps({
    "json": result.to_dict(),
    "row": row({"name": "a", **result.to_dict()}),
    "units": app.service.model()["units"],
    "documentation": api["/gradio_api/call/v2/predict"]["post"]["description"],
    "openapi": api["/gradio_api/call/predict/{event_id}"]["get"]["responses"]["200"],
    "api page": [info["description"], info["returns"]],
}))
"""


@pytest.fixture(scope="module")
def answer() -> dict:
    classifier = FractureClassifier.from_pretrained(ROOT / "weights")
    return classifier.predict(ROOT / "examples/displaced.png").to_dict()


def test_one_line_adds_a_field_to_every_surface(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "fracture", tmp_path / "fracture")
    shutil.copy(ROOT / "app.py", tmp_path)
    for folder in ("examples", "weights"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    table = tmp_path / "fracture/prediction/prediction.py"
    code = table.read_text(encoding="utf-8")
    table.write_text(code.replace("FIELDS = (\n", f"FIELDS = (\n    {NEW}\n"), "utf-8")
    monkeypatch.delenv("FRACTURE_WEIGHTS", raising=False)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    command = [sys.executable, "-c", SURFACES]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert not done.returncode, done.stderr
    said = json.loads(done.stdout)
    assert said["json"]["film_bits"] == said["row"]["film_bits"] == 8
    assert said["units"]["film_bits"] == "bit"
    sentence = "Of a pixel. Unit: bit."
    assert f"film_bits: {sentence}" in said["documentation"]
    content = said["openapi"]["content"]["text/event-stream"]
    schema, _ = content["schema"]["prefixItems"][0]["oneOf"]
    field = {"type": "integer", "description": sentence}
    assert schema["properties"]["film_bits"] == field
    assert "film_bits" in schema["required"]
    description, (returned,) = said["api page"]
    assert sentence in description
    assert f"film_bits: int ({sentence})" in returned["python_type"]["type"]


def test_the_answer_has_the_fields_of_the_table(answer):
    assert list(answer) == [field.name for field in FIELDS]


def test_every_field_is_a_column_and_those_of_an_object_are_many(answer):
    values = row({"name": "a", **answer})
    assert tuple(values) == COLUMNS
    for field in FIELDS:
        if isinstance(answer[field.name], (dict, list)):
            continue
        assert values[field.name] == answer[field.name]
    for name in CLASSES:
        assert values[f"probability_{name}"] == answer["probabilities"][name]
    assert json.loads(values["body_parts"]) == answer["body_parts"]
    likeliest = max(answer["body_parts"], key=answer["body_parts"].get)
    assert values["body_part"] == likeliest
    assert values["warnings"] == " ".join(w["code"] for w in answer["warnings"])


def test_columns_do_not_depend_on_the_weights():
    assert tuple(row({"body_parts": {"elbow": 0.5}})) == COLUMNS
    assert row({"body_parts": {"elbow": 0.5}})["body_parts"] == '{"elbow": 0.5}'


def test_a_list_is_one_cell():
    field = Field("marks", list[int], "Anything.")
    assert field.cells([1, 2]) == {"marks": "[1, 2]"}
    assert field.cells(None) == {"marks": None}
