"""A real PACS: Orthanc stores films, routes them, and gets results."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from node_films import (
    ROOT,
    SECRETS,
    film,
    free_port,
    running,
    send,
    settings,
    until,
)
from pydicom import dcmread
from sr_reader import read_report
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.node.spool import Spool

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ORTHANC = shutil.which("Orthanc")

pytestmark = pytest.mark.skipif(
    not ORTHANC or not PLUGIN.exists(), reason="orthanc, orthanc-dicomweb: not here"
)


class Orthanc:
    """One on ports of its own, which routes to a node's port."""

    def __init__(self, folder: Path):
        self.port, self.node, http = (free_port() for _ in "123")
        self.url = f"http://127.0.0.1:{http}"
        values = json.loads((ROOT / "deploy" / "orthanc.json").read_text("utf-8"))
        values |= {
            "DicomPort": self.port,
            "HttpPort": http,
            "RemoteAccessAllowed": False,
            "DicomModalities": {"fracture": ["FRACTURE", "127.0.0.1", self.node]},
            "LuaScripts": [str(ROOT / "deploy" / "route.lua")],
            "Plugins": [str(PLUGIN)],
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "DicomScuTimeout": 3,
        }
        path = folder / "orthanc.json"
        path.write_text(json.dumps(values))
        self._log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [ORTHANC, path], stdout=self._log, stderr=subprocess.STDOUT
        )
        until(self._answers, 60)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/system", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str):
        return httpx.get(f"{self.url}/{path}", timeout=30)

    def instances(self, made) -> list:
        """Data sets of the study of a film, the film apart."""
        body = {"Level": "Study", "Query": {"StudyInstanceUID": made.StudyInstanceUID}}
        studies = httpx.post(f"{self.url}/tools/find", json=body, timeout=30).json()
        found = []
        for study in studies:
            for instance in self.get(f"studies/{study}/instances").json():
                content = self.get(f"instances/{instance['ID']}/file").content
                found.append(dcmread(io.BytesIO(content)))
        return [one for one in found if one.SOPInstanceUID != made.SOPInstanceUID]

    def results(self, made) -> dict | None:
        """Modality -> result, once both are there."""
        found = {one.Modality: one for one in self.instances(made)}
        return found if found.keys() >= {"SR", "OT"} else None

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._log.close()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    found = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield found
    found.stop()


def values(orthanc, spool, **tables) -> dict:
    return settings(
        spool,
        orthanc.port,
        listen={"port": orthanc.node},
        pacs={"aet": "ORTHANC"},
        **tables,
    )


def web(orthanc, spool) -> dict:
    found = values(orthanc, spool)
    return {**found, "pacs": {"url": f"{orthanc.url}/dicom-web"}}


def to_orthanc(orthanc, made) -> None:
    assert send(orthanc.port, made, called="ORTHANC") == [0]


def test_a_stored_film_is_routed_judged_and_answered(orthanc, classifier, tmp_path):
    made = film()
    with running(values(orthanc, tmp_path / "s"), classifier):
        to_orthanc(orthanc, made)
        found = until(lambda: orthanc.results(made))
        for result in found.values():
            for keyword in SECRETS:
                assert result[keyword].value == made[keyword].value
        said = read_report(found["SR"])
        assert said["finding"] == "fracture_suspected"
        assert said["peak_image"] == made.SOPInstanceUID
        (reference,) = found["OT"].SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == made.SOPInstanceUID
        # Nothing comes back: neither result was judged in its turn.
        until(lambda: not Spool(tmp_path / "s").names("out"))
        assert len(orthanc.instances(made)) == 2


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools: not installed")
def test_what_orthanc_hands_out_is_a_valid_report(orthanc, classifier, tmp_path):
    made = film("hairline")
    with running(values(orthanc, tmp_path / "s"), classifier):
        to_orthanc(orthanc, made)
        report = until(lambda: orthanc.results(made))["SR"]
    report.save_as(tmp_path / "sr.dcm")
    done = subprocess.run(
        ["dciodvfy", tmp_path / "sr.dcm"], capture_output=True, text=True
    )
    assert "Error" not in done.stdout + done.stderr


def _toml(config: dict, path: Path) -> Path:
    lines = [f"{k} = {json.dumps(v)}" for k, v in config.items() if type(v) is not dict]
    for table, found in config.items():
        if isinstance(found, dict):
            lines += [
                f"[{table}]",
                *(f"{k} = {json.dumps(v)}" for k, v in found.items()),
            ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("way", [values, web], ids=["dimse", "dicomweb"])
def test_films_that_were_never_routed_are_found(way, orthanc, classifier, tmp_path):
    """The node was down; Orthanc says success. Its lists know better."""
    config = way(orthanc, tmp_path / "s")
    file = _toml(config, tmp_path / "node.toml")
    made = film(StudyDate="20010203")
    today = film()
    for one in (made, today):
        to_orthanc(orthanc, one)
    with running(config, classifier):
        command = ["node", "reconcile", str(file), "--days", "1"]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0 and "fetched" in done.output, done.output
        until(lambda: orthanc.results(today))
        assert not orthanc.instances(made)  # of too long ago
        done = CliRunner().invoke(app, [*command, "--dry-run"])
        assert "fetched" not in done.output, done.output


def test_results_reach_it_by_dicomweb(orthanc, classifier, tmp_path):
    made = film()
    with running(web(orthanc, tmp_path / "s"), classifier) as node:
        assert send(node.port, made) == [0]
        found = until(lambda: orthanc.results(made))
    assert read_report(found["SR"])["finding"] == "fracture_suspected"


def test_check_says_what_is_well_and_what_is_not(orthanc, tmp_path):
    config = values(orthanc, tmp_path / "s")
    file = _toml(config, tmp_path / "node.toml")
    done = CliRunner().invoke(app, ["node", "check", str(file)])
    assert done.exit_code == 0 and "FAIL" not in done.output, done.output
    assert "ORTHANC@127.0.0.1 answers" in done.output
    config["pacs"]["port"] = free_port()
    file = _toml(config, tmp_path / "node.toml")
    done = CliRunner().invoke(app, ["node", "check", str(file)])
    assert done.exit_code == 1 and "[pacs_unreachable]" in done.output
