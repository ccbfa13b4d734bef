"""Weights from a folder or from the Hub, told apart by what they look like."""

import pytest

from fracture import WeightsError
from fracture.hub import fetch_weights


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """What was asked of the Hub; it answers with a folder."""
    import huggingface_hub

    asked = []

    def download(name, revision, allow_patterns):
        asked.append((name, revision, set(allow_patterns)))
        if name == "nobody/nothing":
            raise OSError("404 Client Error.\nRepository Not Found")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


@pytest.mark.parametrize("source", ["weights", "/nowhere/at/all", "."])
def test_a_folder_needs_no_hub(source, downloads):
    assert str(fetch_weights(source)) == source
    assert downloads == []


def test_a_folder_wins_over_a_repository(downloads, tmp_path, monkeypatch):
    (tmp_path / "user" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert str(fetch_weights("user/name")) == "user/name"
    assert downloads == []


@pytest.mark.parametrize(
    ("source", "revision"), [("user/name", None), ("user/name@v1.2", "v1.2")]
)
def test_a_repository_gives_only_what_serving_needs(
    source, revision, downloads, tmp_path
):
    assert fetch_weights(source) == tmp_path
    ((name, asked, patterns),) = downloads
    assert (name, asked) == ("user/name", revision)
    assert {"config.json", "model.onnx"} <= patterns
    assert not any(pattern.endswith((".h5", ".keras", ".pkl")) for pattern in patterns)


def test_a_repository_that_is_not_there_is_one_sentence(downloads):
    with pytest.raises(WeightsError, match="404 Client Error") as caught:
        fetch_weights("nobody/nothing")
    assert caught.value.code == "weights_missing"
    assert "\n" not in caught.value.message
