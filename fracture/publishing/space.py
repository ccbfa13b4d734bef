"""The demo as a Space of the Hugging Face Hub: what to send, and its front matter."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from pathlib import Path

from fracture.hub import explained, hub_client, resolve
from fracture.publishing.site import INDEX, is_named, isolation, site_files
from fracture.weights import CONFIG_FILE, MODEL_FILE, WeightsConfig, WeightsError

# Of a clone, what the app serves with: neither training nor tests.
_FOLDERS = ("examples", "fracture")
_NOT_SERVED = {
    *("data", "model", "training", "evaluation", "card", "experiments", "publishing"),
    "__pycache__",
}
_WEIGHTS = (CONFIG_FILE, MODEL_FILE, "metrics.json", "figures/*.png")
_FRONT = {
    "title": "Bone fractures on radiographs",
    "emoji": "🦴",
    "colorFrom": "gray",
    "colorTo": "green",
    "license": "apache-2.0",
    "short_description": "Normal, hairline or displaced, and why; for research",
}


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
    clone = _checked(clone)
    config = WeightsConfig.load(resolve(source))
    pinned = _pinned(source, config)
    sent = {path.relative_to(clone).as_posix(): path for path in _app_files(clone)}
    if not pinned:
        files = [path for name in _WEIGHTS for path in config.folder.glob(name)]
        sent |= {f"weights/{f.relative_to(config.folder).as_posix()}": f for f in files}
    major, minor, _ = platform.python_version_tuple()
    front: dict[str, object] = {
        "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"),
        "python_version": f"{major}.{minor}",
        "app_file": "app.py",
    }
    loaded = {}
    if pinned:
        name, commit = pinned.split("@")
        preload = [f"{name} {CONFIG_FILE},{MODEL_FILE} {commit}"]
        loaded = {"models": [name], "preload_from_hub": preload}
    # What the README says itself of the app comes first.
    sent["README.md"] = space_readme(clone, loaded, front).encode()
    sent["requirements.txt"] = "\n".join([*space_requirements(clone), ""]).encode()
    commit = _push(space, "gradio", sent, config, private)
    with explained(space):
        # Said either way: an earlier push may have named other weights.
        hub_client().add_space_variable(space, "FRACTURE_WEIGHTS", pinned or "weights")
    return commit


def publish_static_space(
    clone: str | Path, source: str | Path, space: str, private: bool = False
) -> str:
    """Uploads the page that works in its visitor's browser, in one commit; returns it.

    Args:
        clone: of this project, its page built.
        source: weights, which are sent along wherever they come from.
        space: `user/name`; created, `private` or not, where there is none.

    Raises:
        WeightsError: `no_app`: not a clone; what `site_files` and
            `fracture.hub.resolve` raise.
    """
    clone = _checked(clone)
    config = WeightsConfig.load(resolve(source))
    sent = site_files(clone, config)
    pinned = _pinned(source, config)
    front = {
        "sdk": "static",
        "sdk_version": None,
        "python_version": None,
        "app_file": INDEX,
        "custom_headers": isolation(clone),
        "models": [pinned.split("@")[0]] if pinned else None,
    }
    sent["README.md"] = space_readme(clone, front).encode()
    return _push(space, "static", sent, config, private)


def _checked(clone: str | Path) -> Path:
    clone = Path(clone)
    if not (clone / "app.py").is_file() or not (clone / "pyproject.toml").is_file():
        message = f"{clone.resolve()} is not a clone of fracture: it has no app.py"
        raise WeightsError("no_app", message)
    return clone


def _pinned(source: str | Path, config: WeightsConfig) -> str | None:
    """`user/name@commit` of weights from the Hub."""
    local = Path(source).exists()
    return None if local else f"{str(source).split('@')[0]}@{config.folder.name}"


def _push(
    space: str,
    sdk: str,
    sent: Mapping[str, Path | bytes],
    config: WeightsConfig,
    private: bool,
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with explained(space):
        api = hub_client()
        kind = {"repo_type": "space"}
        api.create_repo(space, space_sdk=sdk, private=private, exist_ok=True, **kind)
        operations = [
            *map(CommitOperationAdd, sent.keys(), sent.values()),
            *(
                CommitOperationDelete(name)
                for name in api.list_repo_files(space, **kind)
                if is_named(name) and name not in sent  # of an earlier page
            ),
        ]
        message = f"Serve {config.model_version}"
        return api.create_commit(space, operations, commit_message=message, **kind).oid


def _app_files(clone: Path) -> list[Path]:
    named = [clone / name for name in ("app.py", "LICENSE", "MODEL_CARD.md")]
    inside = [path for folder in _FOLDERS for path in (clone / folder).rglob("*")]
    return [
        path
        for path in sorted(named + inside)
        if path.is_file() and not _NOT_SERVED & set(path.relative_to(clone).parts)
    ]


def space_readme(
    clone: Path,
    front: Mapping[str, object],
    default: Mapping[str, object] | None = None,
) -> str:
    """The README of a clone with a Space's front matter.

    Args:
        front: what that must say, whatever the README's own says; None: not at all.
        default: what it says unless the README's own does.
    """
    from huggingface_hub import RepoCard, SpaceCardData

    card = RepoCard((clone / "README.md").read_text(encoding="utf-8"))
    data = {**_FRONT, **(default or {}), **card.data.to_dict(), **front}
    told = {name: value for name, value in data.items() if value is not None}
    card.data = SpaceCardData(**told)
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
