"""A weights folder and its card -> a version on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from fracture.card.card import read_metrics, render_card
from fracture.hub import explained, hub_client
from fracture.weights import (
    CONFIG_FILE,
    KERAS_FILE,
    METRICS_FILE,
    MODEL_FILE,
    WeightsConfig,
    WeightsError,
    sha256,
)

# Nothing else is sent: a folder may hold names of films, or files of other people.
PUBLISHED = (CONFIG_FILE, MODEL_FILE, KERAS_FILE, METRICS_FILE, "history.csv")
_FIGURES = "figures"


@dataclasses.dataclass(frozen=True)
class Version:
    """What was published: the repository, the tag and the commit the tag stands for."""

    repository: str
    tag: str
    commit: str


def check(folder: str | Path, card: str | Path) -> WeightsConfig:
    """Makes sure that weights, metrics and card belong together.

    Args:
        folder: as written by `train.py`.
        card: its rendered model card.

    Raises:
        WeightsError: a file is missing or is not the one its checksum was taken of;
            `card_differs`: metrics of other weights, or of none, or a card of other
            metrics.
    """
    config = WeightsConfig.load(folder)
    for name, expected in config.values["files"].items():
        path = config.folder / name
        if not path.is_file():
            raise WeightsError("weights_missing", f"{config.folder} has no {name}")
        if sha256(path) != expected:
            message = f"{name} is not the file {CONFIG_FILE} was written for"
            raise WeightsError("weights_checksum", message)
    path = config.folder / METRICS_FILE
    figures = Path(os.path.relpath(config.folder, Path(card).parent), _FIGURES)
    try:
        metrics = read_metrics(config.folder)
        rendered = render_card(metrics, figures.as_posix())
        found = Path(card).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"there is no {error.filename}; `train.py` writes it"
        raise WeightsError("weights_missing", message) from None
    except ValueError as error:
        message = f"{path} or {card} cannot be read: {error}"
        raise WeightsError("card_differs", message) from error
    if metrics["model_version"] != config.model_version:
        message = f"{path} holds the figures of {metrics['model_version']}"
        raise WeightsError("card_differs", message)
    if found != rendered:
        message = (
            f"{card} is not what {path} says; render it again: "
            f"python -m fracture.card {config.folder} {card}"
        )
        raise WeightsError("card_differs", message)
    return config


def publish(
    folder: str | Path,
    card: str | Path,
    repository: str,
    tag: str | None = None,
    private: bool = False,
) -> Version:
    """Uploads a version; one that is there already, unchanged, is left alone.

    The Hub takes all files in one commit or none, so an interrupted upload leaves the
    repository as it was.

    Args:
        folder: as written by `train.py`.
        card: its rendered model card; becomes the repository's README.md.
        repository: `user/name`; created, `private` or not, where there is none.
        tag: of the version; default: `v` and the version in config.json.

    Raises:
        WeightsError: what `check` and `fracture.hub.resolve` raise; `version_taken`:
            the tag stands for other weights.
    """
    config = check(folder, card)
    tag = tag or f"v{config.values['version']}"
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    # There, the figures lie beside it.
    readme = render_card(read_metrics(config.folder), _FIGURES)
    patterns = (*PUBLISHED, f"{_FIGURES}/*.png")
    files = [path for name in patterns for path in sorted(config.folder.glob(name))]
    names = [path.relative_to(config.folder).as_posix() for path in files]
    with explained(repository):
        api = hub_client()
        api.create_repo(repository, private=private, exist_ok=True)
        before = api.repo_info(repository).sha
        refs = api.list_repo_refs(repository).tags
        tagged = {ref.name: ref.target_commit for ref in refs}
        if tag in tagged:
            path = api.hf_hub_download(repository, CONFIG_FILE, revision=tagged[tag])
            if sha256(path) != sha256(config.folder / CONFIG_FILE):
                message = f"{repository} has other weights as {tag}; choose another tag"
                raise WeightsError("version_taken", message)
        operations = [
            CommitOperationAdd("README.md", readme.encode()),
            *map(CommitOperationAdd, names, files),
            *(
                CommitOperationDelete(name)
                for name in api.list_repo_files(repository, revision=before)
                if name.startswith(f"{_FIGURES}/") and name not in names
            ),
        ]
        commit = api.create_commit(
            repository,
            operations,
            commit_message=f"{config.model_version} as {tag}",
            parent_commit=before,
        )
        if tag not in tagged:
            api.create_tag(repository, tag=tag, revision=commit.oid)
    return Version(repository, tag, tagged.get(tag, commit.oid))
