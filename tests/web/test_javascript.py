"""npm's @gradio/client gets the JSON that Python gets, from every endpoint."""

from __future__ import annotations

import json
import subprocess

import pytest
from npm import install
from served import ROOT, serve

from fracture import FractureClassifier

VERSION = "2.7.0"
FILM = ROOT / "examples" / "displaced.png"
PROGRAM = """
import { readFile } from "node:fs/promises";
import { Client, handle_file } from "@gradio/client";
const [url, good, bad] = process.argv.slice(2);
const client = await Client.connect(url);
const read = async (path) => handle_file(new Blob([await readFile(path)]));
const ask = async (name, sent) => (await client.predict(name, sent)).data[0];
console.log(JSON.stringify({
  film: await ask("/predict", { film: await read(good) }),
  heatmap: await ask("/predict", { film: await read(good), heatmap: "png" }),
  broken: await ask("/predict", { film: await read(bad) }),
  study: await ask("/predict_study", { films: [await read(good), await read(bad)] }),
  batch: await ask("/predict_batch", { films: [await read(good), await read(bad)] }),
  model: await ask("/model", {}),
}));
process.exit(0);
"""

pytestmark = pytest.mark.npm


def test_javascript_gets_what_python_gets(request, weights, tmp_path):
    project = install(request, "@gradio/client", VERSION)
    (project / "program.mjs").write_text(PROGRAM, encoding="utf-8")
    with serve(weights, tmp_path) as (app, url):
        command = ["node", project / "program.mjs", url, FILM, __file__]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        model = app.service.model()
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    expected = FractureClassifier.from_pretrained(weights).predict(FILM).to_dict()
    assert answer["film"] == expected
    assert answer["heatmap"]["heatmap_png"].startswith("iVBOR")
    assert answer["broken"]["error_code"] == "unsupported_format"
    assert answer["study"]["fracture_probability"] == expected["fracture_probability"]
    assert (answer["batch"]["films"], answer["batch"]["unread"]) == (2, 1)
    assert answer["model"] == model
