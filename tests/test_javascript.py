"""npm's @gradio/client gets the JSON that Python gets."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
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
const { data } = await client.predict("/predict", { film: await read(good) });
const error = await client
  .predict("/predict", { film: await read(bad) })
  .then(() => null, (reason) => reason.message);
console.log(JSON.stringify({ data, error }));
process.exit(0);
"""

pytestmark = pytest.mark.npm


@pytest.fixture(scope="module")
def project(request):
    """A folder with @gradio/client, kept between runs."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    folder = request.config.cache.mkdir(f"gradio-client-{VERSION}")
    if not (folder / "node_modules/@gradio/client/package.json").exists():
        install = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            f"@gradio/client@{VERSION}",
        ]
        done = subprocess.run(
            [*install, "--prefix", folder], capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            pytest.skip(f"npm cannot install @gradio/client: {done.stderr[-200:]}")
    (folder / "program.mjs").write_text(PROGRAM, encoding="utf-8")
    return folder


def test_javascript_gets_what_python_gets(project, weights, tmp_path):
    with serve(weights, tmp_path) as (_, url):
        command = ["node", project / "program.mjs", url, FILM, __file__]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    prediction = FractureClassifier.from_pretrained(weights).predict(FILM)
    assert answer["data"] == [prediction.to_dict()]
    assert answer["error"].endswith("[unsupported_format]")
