"""The image and the replicas, as far as files can be checked without an engine."""

import configparser
import fnmatch
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.node.config import NodeConfig

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COPIED = [
    name
    for names in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    for name in names.split()
]


@pytest.mark.parametrize("name", sorted(set(COPIED)))
def test_what_the_image_copies_is_there_and_not_ignored(name):
    assert (ROOT / name).exists()
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert rules[1] == "*" and f"!{name}" in rules


def test_the_image_leaves_training_weights_out():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored = [rule for rule in rules if rule and rule[0] not in "#!*"]
    for name in ("weights/model.weights.h5", "weights/checkpoint"):
        assert any(fnmatch.fnmatch(name, rule) for rule in ignored)


def test_every_serving_dependency_is_pinned_within_its_range():
    from packaging.requirements import Requirement

    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    base = re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)[1]
    extras = re.findall(r"^(?:app|dicom|pacs) = \[(.*?)\]", project, re.M | re.S)
    pins = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line[0] not in "# ":
            pin = Requirement(line)
            pins.setdefault(pin.name, []).append(str(pin.specifier).removeprefix("=="))
    for text in re.findall(r'"([^"]+)"', base + "".join(extras)):
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"python_version": "3.11"}):
            continue  # what the image's Python has of its own
        assert all(wanted.specifier.contains(pin) for pin in pins[wanted.name]), text
    assert not {"keras", "tensorflow"} & pins.keys()


def test_the_image_runs_without_root_and_is_watched():
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER (?!root)\w+$", last, re.M)
    assert "HEALTHCHECK" in last
    assert re.search(r"^ARG PYTHON=3\.\d+$", DOCKERFILE, re.M)


def test_replicas_stand_behind_a_proxy_that_keeps_visitors_together():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    app, proxy = services["app"], services["proxy"]
    assert app["deploy"]["replicas"] >= 2
    assert app["read_only"] and app["cap_drop"] == ["ALL"]
    assert "ports" not in app and proxy["ports"]
    caddy = (ROOT / "Caddyfile").read_text(encoding="utf-8")
    assert "lb_policy ip_hash" in caddy
    assert re.search(r"name app\s+port 7860", caddy)
    assert "GRADIO_SERVER_PORT=7860" in DOCKERFILE


def test_a_node_stands_beside_a_pacs_that_knows_it():
    text = (ROOT / "compose.pacs.yaml").read_text("utf-8")
    services = yaml.safe_load(text)["services"]
    node, modality = services["node"], services["modality"]
    assert node["build"]["args"]["EXTRAS"] == "pacs"
    assert node["read_only"] and node["cap_drop"] == ["ALL"]
    orthanc = json.loads((ROOT / "deploy" / "orthanc.json").read_text("utf-8"))
    config = NodeConfig.load(ROOT / "deploy" / "node.toml")
    listen, pacs = config.listen, config.pacs
    assert orthanc["DicomModalities"]["fracture"] == [listen.aet, "node", listen.port]
    assert (pacs.aet, pacs.port) == (orthanc["DicomAet"], orthanc["DicomPort"])
    assert pacs.host in services and config.allow.calling == [orthanc["DicomAet"]]
    assert str(config.operation.port) in str(node["healthcheck"]["test"])
    assert modality["command"][-1] == f"{pacs.aet}@{pacs.host}:{pacs.port}"
    mounted = [
        v.split(":") for s in ("orthanc", "node") for v in services[s]["volumes"]
    ]
    for source, *_ in mounted:
        assert not source.startswith("./") or (ROOT / source).is_file()
    assert [str(config.spool)] == [v[1] for v in mounted if v[0] == "spool"]
    (script,) = orthanc["LuaScripts"]
    assert script in [target for _, target, *_ in mounted]


@pytest.mark.parametrize("name", ["fracture-node", "fracture-reconcile"])
def test_units_run_a_command_there_is_without_rights(name):
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str
    unit.read(ROOT / "deploy" / f"{name}.service")
    service = unit["Service"]
    _, *words = service["ExecStart"].split()
    options = [word for word in words if word.startswith("--")]
    parts = [word for word in words if re.fullmatch("[a-z]+", word)]
    help_text = CliRunner().invoke(app, [*parts, "--help"]).output
    assert all(option in help_text for option in options)
    assert service["User"] == "fracture" and service["NoNewPrivileges"] == "yes"
