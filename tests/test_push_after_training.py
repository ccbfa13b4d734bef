"""One command from films to a version on the Hub."""

import dataclasses

import numpy as np
from hub_server import TOKEN
from test_hub import NAME, hub  # noqa: F401

import train as command
from fracture import FractureClassifier
from fracture.training.recipes import RECIPES, Phase

BRIEF = dataclasses.replace(
    RECIPES["quick"],
    alpha=0.35,
    pretrained=False,
    train_batch_norm=True,
    image_size=64,
    hidden_units=8,
    batch_size=16,
    phases=(Phase(1, 1e-3),),
)


def test_what_was_trained_is_what_the_hub_has(hub, tmp_path, monkeypatch, capfd):  # noqa: F811
    monkeypatch.setitem(RECIPES, "quick", BRIEF)
    monkeypatch.setattr("fracture.evaluation.metrics.DRAWS", 20)
    monkeypatch.setattr(command, "_NEGATIVES", 2)
    out = tmp_path / "out"
    command.main(["--out", str(out), "--phantoms", "20", "--push-to", NAME])

    repository = hub.repositories[NAME]
    assert len(repository.commits) == 2  # the first is the Hub's own, empty
    ((tag, commit),) = repository.tags.items()
    assert commit == repository.branch and tag.startswith("v")
    said = "".join(capfd.readouterr())
    assert f"published {NAME}@{tag}, commit {commit}" in said
    figures = {f"figures/{path.name}" for path in (out / "figures").iterdir()}
    assert {"figures/curves.png", "figures/roc-phantom.png"} <= figures
    weights = {"model.weights.h5", "model.onnx", "config.json"}
    sent = weights | figures | {"metrics.json", "history.csv"}
    assert set(repository.files) == sent | {"README.md"}
    for name in sent:
        assert repository.files[name] == (out / name).read_bytes(), name
    readme = repository.files["README.md"].decode()
    assert "](figures/roc-phantom.png)" in readme

    pulled = FractureClassifier.from_pretrained(f"{NAME}@{tag}")
    trained = FractureClassifier.from_pretrained(out)
    assert pulled.config.folder != trained.config.folder
    film = next((out / "phantoms" / "displaced").iterdir())
    one, other = pulled.predict(film), trained.predict(film)
    assert one.to_dict() == other.to_dict()
    np.testing.assert_array_equal(one.heatmap, other.heatmap)

    assert TOKEN not in said
    for path in filter(lambda path: path.is_file(), tmp_path.rglob("*")):
        assert TOKEN.encode() not in path.read_bytes(), path
