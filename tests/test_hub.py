"""Push and pull through the real client, over HTTP, against a Hub of our own."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from hub_server import TOKEN
from typer.testing import CliRunner

from fracture import FractureClassifier, WeightsError
from fracture.__main__ import app
from fracture.hub import resolve
from fracture.publishing.model_repository import PUBLISHED, publish
from fracture.version import __version__
from fracture.weights import WeightsConfig, sha256

ROOT = Path(__file__).parents[1]
NAME = "someone/fracture"
TAG = f"v{__version__}"


@pytest.fixture
def folder(weights, tmp_path, monkeypatch):
    """A weights folder with all that a version has, beside its card."""
    folder = tmp_path / "run" / "weights"
    shutil.copytree(weights, folder)
    version = WeightsConfig.load(folder).model_version
    write_metrics(folder, {"model_version": version, "auroc": 0.8})
    (folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    (folder / "figures").mkdir()
    (folder / "figures" / "curves.png").write_bytes(b"\x89PNG")
    monkeypatch.setattr("fracture.publishing.model_repository.render_card", render)
    render_to_card(folder)
    return folder


def render(metrics, figures):
    """A card that is as good as the real one, of metrics as short as these."""
    return f"---\nlicense: apache-2.0\n---\n{json.dumps(metrics)} ![]({figures})\n"


def write_metrics(folder, metrics):
    (folder / "metrics.json").write_text(json.dumps(metrics))


def render_to_card(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder.parent / "MODEL_CARD.md").write_text(render(metrics, "weights/figures"))


def push(folder, **options):
    return publish(folder, folder.parent / "MODEL_CARD.md", NAME, **options)


def edit_config(folder, **changes):
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))


def code_of(call, *args, **options):
    with pytest.raises(WeightsError) as caught:
        call(*args, **options)
    assert TOKEN not in str(caught.value)
    return caught.value.code


# --- pushing ---


def test_a_version_is_one_commit_with_a_tag(hub, folder):
    (folder / "split.csv").write_text("train,a patient's name.png,abc\n")
    version = push(folder)
    repository = hub.repositories[NAME]
    assert len(repository.commits) == 2  # the first is the Hub's own, empty
    assert repository.tags == {TAG: version.commit} and version.tag == TAG
    names = {"README.md", "figures/curves.png", *PUBLISHED}
    assert set(repository.files) == names
    for name in names - {"README.md"}:
        assert repository.files[name] == (folder / name).read_bytes()
    assert b"![](figures)" in repository.files["README.md"]


def test_the_shipped_weights_are_fit_to_publish(hub):
    version = publish(ROOT / "weights", ROOT / "MODEL_CARD.md", NAME)
    readme = hub.repositories[NAME].files["README.md"].decode()
    assert "](figures/" in readme and "](weights/figures" not in readme
    assert resolve(f"{NAME}@{version.tag}").name == version.commit


def test_the_metrics_come_along_where_an_engine_is_to_be_chosen(hub, folder):
    version = push(folder)
    source = f"{NAME}@{version.tag}"
    plain = FractureClassifier.from_pretrained(source).config.folder
    assert not (plain / "metrics.json").exists()
    auto = FractureClassifier.from_pretrained(source, engine="auto")
    assert (auto.config.folder / "metrics.json").is_file()
    assert auto.engine.name == "onnxruntime"  # nothing is proven there


def test_pushing_the_same_again_changes_nothing(hub, folder):
    first = push(folder)
    hub.requests.clear()
    assert push(folder) == first
    assert len(hub.repositories[NAME].commits) == 2
    assert not [r for r in hub.requests if re.search("commit|tag/|PUT", r)]


def test_a_retouched_card_is_a_commit_and_old_figures_go(hub, folder):
    first = push(folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    write_metrics(folder, metrics | {"auroc": 0.9})
    render_to_card(folder)
    (folder / "figures" / "curves.png").rename(folder / "figures" / "new.png")
    assert push(folder) == first  # the tag stays with the weights it was given to
    files = hub.repositories[NAME].files
    assert b"0.9" in files["README.md"] and "figures/curves.png" not in files


def test_a_taken_version_is_refused_and_another_tag_is_not(hub, folder):
    push(folder)
    edit_config(folder, heatmap_reference=0.5)
    assert code_of(push, folder) == "version_taken"
    assert len(hub.repositories[NAME].commits) == 2
    assert push(folder, tag="v9.0.0").tag == "v9.0.0"
    assert set(hub.repositories[NAME].tags) == {TAG, "v9.0.0"}


@pytest.mark.parametrize(
    ("code", "breakage"),
    [
        ("weights_checksum", lambda f: (f / "model.onnx").write_bytes(b"other")),
        ("weights_checksum", lambda f: (f / "model.weights.h5").write_bytes(b"other")),
        ("weights_missing", lambda f: (f / "model.weights.h5").unlink()),
        ("weights_missing", lambda f: (f / "metrics.json").unlink()),
        ("weights_missing", lambda f: (f.parent / "MODEL_CARD.md").unlink()),
        ("card_differs", lambda f: write_metrics(f, {"model_version": "another"})),
        ("card_differs", lambda f: (f / "metrics.json").write_text("{")),
        ("card_differs", lambda f: (f.parent / "MODEL_CARD.md").write_text("AUROC 1")),
    ],
)
def test_what_does_not_match_is_never_sent(hub, folder, code, breakage):
    breakage(folder)
    assert code_of(push, folder) == code
    assert not hub.requests


@pytest.mark.parametrize(
    "fault", ["PUT /objects", "POST .*/commit/", "POST .*/preupload/", "POST .*/batch"]
)
@pytest.mark.parametrize("status", [None, 503])
def test_an_interrupted_upload_leaves_the_old_version_whole(hub, folder, fault, status):
    old = push(folder)
    before = dict(hub.repositories[NAME].files)
    (folder / "model.weights.h5").write_bytes(b"trained further")
    files = WeightsConfig.load(folder).values["files"]
    digest = sha256(folder / "model.weights.h5")
    edit_config(folder, version="9.0.0", files=files | {"model.weights.h5": digest})
    metrics = json.loads((folder / "metrics.json").read_text())
    version = WeightsConfig.load(folder).model_version
    write_metrics(folder, metrics | {"model_version": version})
    render_to_card(folder)

    hub.faults[fault] = status
    code = "hub_unreachable" if status is None else "hub_failed"
    assert code_of(push, folder) == code
    assert hub.repositories[NAME].files == before
    assert resolve(NAME).name == old.commit
    hub.faults.clear()
    assert push(folder).tag == "v9.0.0"  # the same command completes it
    assert resolve(f"{NAME}@{TAG}").name == old.commit


def test_a_version_that_was_not_tagged_is_tagged_by_the_next_push(hub, folder):
    hub.faults["POST .*/tag/"] = None
    assert code_of(push, folder) == "hub_unreachable"
    hub.faults.clear()
    assert hub.repositories[NAME].tags == {TAG: push(folder).commit}
    assert len(hub.repositories[NAME].commits) == 2


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("POST /api/repos/create", 401, "hub_denied"),
        ("POST /api/repos/create", 403, "hub_denied"),
        ("POST .*/commit/", 403, "hub_denied"),
        ("POST .*/commit/", 409, "hub_conflict"),
        ("POST .*/commit/", 412, "hub_conflict"),
        ("POST .*/preupload/", 429, "hub_rate_limited"),
        ("POST .*/commit/", 500, "hub_failed"),
    ],
)
def test_a_refused_push_says_why(hub, folder, fault, status, code):
    hub.faults[fault] = status
    assert code_of(push, folder) == code


def test_a_wrong_token_is_not_repeated(hub, folder, monkeypatch, capfd):
    monkeypatch.setenv("HF_TOKEN", wrong := "hf_wrongwrongwrong")
    with pytest.raises(WeightsError) as caught:
        push(folder)
    assert caught.value.code == "hub_denied"
    printed = "".join(capfd.readouterr()) + str(caught.value)
    assert wrong not in printed and "a token is needed" in printed


# --- pulling ---


def test_a_pinned_version_serves_what_was_pushed(hub, folder, squares, monkeypatch):
    version = push(folder)
    monkeypatch.delenv("HF_TOKEN")
    film = squares[0, ..., 0]
    expected = FractureClassifier.from_pretrained(folder).predict(film).to_dict()
    for revision in (TAG, "main", version.commit):
        pulled = FractureClassifier.from_pretrained(f"{NAME}@{revision}")
        assert pulled.predict(film).to_dict() == expected
        assert pulled.config.folder.name == version.commit
    names = {path.name for path in pulled.config.folder.iterdir()}
    assert names == {"config.json", "model.onnx"}  # nothing that serving does not need


def test_the_cache_answers_with_the_server_down(hub, folder):
    version = push(folder)
    resolve(f"{NAME}@{TAG}")
    hub.shutdown()
    hub.server_close()
    huggingface_hub.close_session()  # or the client goes on with an open connection
    for revision in (TAG, version.commit):
        assert resolve(f"{NAME}@{revision}").name == version.commit
    assert code_of(resolve, f"{NAME}@main") == "hub_unreachable"
    assert code_of(resolve, "someone/else") == "hub_unreachable"


@pytest.mark.parametrize("status", [401, 429, 503])
def test_the_cache_answers_where_the_hub_does_not(hub, folder, status):
    push(folder)
    cached = resolve(f"{NAME}@{TAG}")
    hub.faults[""] = status
    assert resolve(f"{NAME}@{TAG}") == cached


@pytest.mark.parametrize("file", ["model.onnx", "config.json"])
def test_a_tampered_download_is_refused(hub, folder, file):
    push(folder)
    files = hub.repositories[NAME].files
    genuine = files[file]
    files[file] = (
        genuine.replace(b"a", b"b", 1)
        if file == "model.onnx"
        else re.sub(rb'(?<="model.onnx": ")\w', _other_digit, genuine)
    )
    assert code_of(FractureClassifier.from_pretrained, NAME) == "weights_checksum"
    files[file] = genuine
    assert FractureClassifier.from_pretrained(NAME)  # nothing of it was kept


def _other_digit(found: re.Match) -> bytes:
    return b"1" if found[0] == b"0" else b"0"


def test_a_tampered_cache_is_refused_once(hub, folder):
    push(folder)
    (resolve(NAME) / "model.onnx").write_bytes(b"tampered")
    assert code_of(resolve, NAME) == "weights_checksum"
    assert (resolve(NAME) / "model.onnx").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("someone/else", "hub_repository"),
        (f"{NAME}@v9", "hub_revision"),
        (f"{NAME}@{'0' * 40}", "hub_revision"),
        ("--/..", "hub_repository"),
        ("no-such-folder", "weights_missing"),
        ("neither/folder/nor", "weights_missing"),
    ],
)
def test_what_is_not_there_is_said(hub, folder, source, code):
    push(folder)
    assert code_of(FractureClassifier.from_pretrained, source) == code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "hub_denied"),
        (403, "hub_denied"),
        (429, "hub_rate_limited"),
        (500, "hub_failed"),
        (None, "hub_unreachable"),
    ],
)
def test_a_refused_pull_says_why(hub, folder, status, code):
    push(folder)
    hub.faults["GET /api/"] = status
    assert code_of(resolve, NAME) == code


def test_a_gated_repository_says_so(hub, folder):
    push(folder)
    hub.repositories[NAME].gated = True
    assert code_of(resolve, NAME) == "hub_denied"


def test_a_full_disk_says_so(hub, folder, monkeypatch):
    push(folder)

    def write(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub.HfApi, "snapshot_download", write)
    assert code_of(resolve, NAME) == "disk_full"


def test_a_folder_comes_before_a_repository(hub, folder, monkeypatch):
    monkeypatch.chdir(folder.parents[1])
    assert resolve("run/weights") == Path("run/weights")
    assert not hub.requests


# --- the commands ---


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert TOKEN not in result.output
    return result


def test_push_and_pull_commands(hub, folder, tmp_path):
    pushed = run("push", NAME, "-w", folder)
    commit = hub.repositories[NAME].tags[TAG]
    assert pushed.exit_code == 0 and f"{NAME}@{TAG}, commit {commit}" in pushed.stdout
    pulled = run("pull", f"{NAME}@{TAG}", "--all", "--to", tmp_path / "pulled")
    assert pulled.stdout.splitlines()[-1] == f"{NAME}@{commit}"
    for name in PUBLISHED:
        assert (tmp_path / "pulled" / name).read_bytes() == (folder / name).read_bytes()
    assert run("info", "-w", f"{NAME}@{commit}").exit_code == 0
    refused = run("pull", f"{NAME}@v2")
    assert refused.exit_code == 2 and "[hub_revision]" in refused.stderr
    (folder.parent / "MODEL_CARD.md").write_text("AUROC 1.0")
    refused = run("push", NAME, "-w", folder)
    assert refused.exit_code == 2 and "[card_differs]" in refused.stderr


@pytest.fixture
def clone(monkeypatch):
    pytest.importorskip("gradio")
    monkeypatch.chdir(ROOT)


def front_matter(repository):
    card = huggingface_hub.RepoCard(repository.files["README.md"].decode())
    return card.data.to_dict(), card.text


def test_a_space_with_published_weights_pins_them(hub, folder, clone):
    version = push(folder)
    assert run("push", "--space", "me/demo", "-w", f"{NAME}@{TAG}").exit_code == 0
    space = hub.repositories["me/demo"]
    pinned = f"{NAME}@{version.commit}"
    assert space.variables == {"FRACTURE_WEIGHTS": pinned}
    data, text = front_matter(space)
    assert data["sdk"] == "gradio" and data["app_file"] == "app.py"
    assert data["models"] == [NAME]
    preload = f"{NAME} config.json,model.onnx {version.commit}"
    assert data["preload_from_hub"] == [preload]
    assert text.strip().startswith("# fracture")
    assert {"app.py", "fracture/classifier.py", "examples/normal.png"} <= set(
        space.files
    )
    unwanted = ("weights/", "fracture/training/", "tests/", "train.py")
    assert not [name for name in space.files if name.startswith(unwanted)]
    needs = space.files["requirements.txt"].decode()
    assert "gradio" in needs and "onnxruntime" in needs and "tensorflow" not in needs


def test_a_space_with_the_weights_of_a_folder(hub, folder, clone, tmp_path):
    assert run("push", "--space", "me/demo", "-w", folder).exit_code == 0
    space = hub.repositories["me/demo"]
    assert space.variables == {"FRACTURE_WEIGHTS": "weights"}
    assert space.files["weights/model.onnx"] == (folder / "model.onnx").read_bytes()
    assert "preload_from_hub" not in front_matter(space)[0]
    # What was sent is whole: the app starts from it alone.
    for name, content in space.files.items():
        path = tmp_path / "space" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    code = "import app; print(app.service.classifier.config.model_version)"
    environment = os.environ | space.variables
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "space",
        env={k: v for k, v in environment.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == WeightsConfig.load(folder).model_version, found


def test_a_space_needs_a_clone(hub, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("push", "--space", "me/demo", "-w", folder)
    assert refused.exit_code == 2 and "[no_app]" in refused.stderr
    assert not hub.requests
