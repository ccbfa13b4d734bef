"""Weights from a folder, or from a repository on the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path

from fracture.weights import CONFIG_FILE, MODEL_FILE, WeightsError

_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def fetch_weights(source: str | Path) -> Path:
    """Finds a weights folder, downloading what serving needs from the Hub.

    Args:
        source: a folder, or `user/name` or `user/name@revision`; a folder wins.

    Raises:
        WeightsError: `weights_missing`: neither a folder nor a repository to be had.
    """
    match = _REPOSITORY.fullmatch(str(source))
    if Path(source).exists() or match is None:
        return Path(source)
    from huggingface_hub import snapshot_download  # a second to import

    needed = [CONFIG_FILE, MODEL_FILE, "README.md", "figures/*"]
    try:
        folder = snapshot_download(
            match["name"], revision=match["revision"], allow_patterns=needed
        )
    except Exception as error:  # network, permission, revision: all of its own types
        reason = str(error).strip().splitlines()[0]
        message = f"{source} is no folder, and no repository on the Hub: {reason}"
        raise WeightsError("weights_missing", message) from error
    return Path(folder)
