"""The demo as a Space of the Hugging Face Hub: what to send, and its front matter."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

from fracture.hub import explained, hub_client, resolve
from fracture.weights import CONFIG_FILE, MODEL_FILE, WeightsConfig, WeightsError

# Of a clone, what the app serves with: neither training nor tests.
_FOLDERS = ("examples", "fracture")
_NOT_SERVED = {
    *("data", "model", "training", "evaluation", "card", "experiments", "publishing"),
    "__pycache__",
}
_WEIGHTS = (CONFIG_FILE, MODEL_FILE, "metrics.json", "figures/*.png")


def publish_space(
    clone: str | Path, source: str | Path, space: str, private: bool = False
) -> str:
    """Uploads the app in one commit; returns it.

    Args:
        clone: of this project, with app.py and pyproject.toml.
        source: weights folder, which is sent along; or `user/name@revision`, which the
            Space loads when it is built, pinned to its commit.
        space: `user/name`; created, `private` or not, where there is none.

    Raises:
        WeightsError: `no_app`: not a clone; what `fracture.hub.resolve` raises.
    """
    clone = Path(clone)
    if not (clone / "app.py").is_file() or not (clone / "pyproject.toml").is_file():
        message = f"{clone.resolve()} is not a clone of fracture: it has no app.py"
        raise WeightsError("no_app", message)
    config = WeightsConfig.load(resolve(source))
    from huggingface_hub import CommitOperationAdd

    local = Path(source).exists()
    pinned = None if local else f"{str(source).split('@')[0]}@{config.folder.name}"
    sent = {path.relative_to(clone).as_posix(): path for path in _app_files(clone)}
    if local:
        files = [path for name in _WEIGHTS for path in config.folder.glob(name)]
        sent |= {f"weights/{f.relative_to(config.folder).as_posix()}": f for f in files}
    sent["README.md"] = space_readme(clone, pinned).encode()
    sent["requirements.txt"] = "\n".join([*space_requirements(clone), ""]).encode()
    with explained(space):
        api = hub_client()
        kind = {"repo_type": "space"}
        api.create_repo(
            space, space_sdk="gradio", private=private, exist_ok=True, **kind
        )
        operations = [*map(CommitOperationAdd, sent.keys(), sent.values())]
        message = f"Serve {config.model_version}"
        commit = api.create_commit(space, operations, commit_message=message, **kind)
        # Said either way: an earlier push may have named other weights.
        api.add_space_variable(space, "FRACTURE_WEIGHTS", pinned or "weights")
    return commit.oid


def _app_files(clone: Path) -> list[Path]:
    named = [clone / name for name in ("app.py", "LICENSE", "MODEL_CARD.md")]
    inside = [path for folder in _FOLDERS for path in (clone / folder).rglob("*")]
    return [
        path
        for path in sorted(named + inside)
        if path.is_file() and not _NOT_SERVED & set(path.relative_to(clone).parts)
    ]


def space_readme(clone: Path, pinned: str | None) -> str:
    """The README of a clone with a Space's front matter.

    Args:
        pinned: `user/name@commit` of weights to load when the Space is built.
    """
    from huggingface_hub import RepoCard, SpaceCardData

    card = RepoCard((clone / "README.md").read_text(encoding="utf-8"))
    major, minor, _ = platform.python_version_tuple()
    data = {
        "title": "Bone fractures on radiographs",
        "emoji": "🦴",
        "colorFrom": "gray",
        "colorTo": "green",
        "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"),
        "python_version": f"{major}.{minor}",
        "app_file": "app.py",
        "license": "apache-2.0",
        "short_description": "Normal, hairline or displaced, and why; for research",
    }
    data |= card.data.to_dict()  # what the README says itself comes first
    if pinned:
        name, commit = pinned.split("@")
        data["models"] = [name]
        data["preload_from_hub"] = [f"{name} {CONFIG_FILE},{MODEL_FILE} {commit}"]
    card.data = SpaceCardData(**data)
    return str(card)


def space_requirements(clone: Path) -> list[str]:
    """What the app needs: no training, no tests."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10, where huggingface_hub brings it
        import tomli as tomllib

    project = tomllib.loads((clone / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    return sorted({*project["dependencies"], *extras["app"], *extras["dicom"]})
