"""Weights from a folder or from a repository of the Hugging Face Hub.

`user/name` or `user/name@revision` is downloaded once, only what serving needs, under
the commit that the revision stands for; from then on the cache answers, offline too.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fracture.weights import CONFIG_FILE, MODEL_FILE, WeightsConfig, WeightsError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SERVING_FILES = (CONFIG_FILE, MODEL_FILE)
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
# Status of an answer -> code and what to do; more telling exceptions come first.
_STATUS = {
    401: ("hub_denied", "a token is needed that the Hub accepts; run `hf auth login`"),
    402: ("hub_denied", "the account's plan does not allow it"),
    403: ("hub_denied", "the token lacks the permission"),
    404: ("hub_repository", "there is no such thing on the Hub"),
    409: ("hub_conflict", "somebody else changed the repository; run it again"),
    412: ("hub_conflict", "somebody else changed the repository; run it again"),
    429: ("hub_rate_limited", "the Hub takes no more requests now; wait some minutes"),
}


def resolve(source: str | Path, files: Sequence[str] = SERVING_FILES) -> Path:
    """Finds a weights folder, downloading it from the Hub where it has to.

    Args:
        source: a folder, or else `user/name` or `user/name@revision`: a branch, a tag
            or a commit. A folder of that name wins.
        files: names or patterns of what to download.

    Returns:
        The folder. One that came from the Hub is named by its commit, and what serving
        loads has been verified against the checksums in its config.json.

    Raises:
        WeightsError: `hub_unreachable` (no network, nothing in the cache),
            `hub_repository` or `hub_revision` (there is none), `hub_denied` (gated or
            private), `hub_rate_limited`, `hub_failed`, `disk_full`; or what is wrong
            with the files, see `fracture.weights`.
    """
    match = _REPOSITORY.fullmatch(str(source))
    if Path(source).exists() or match is None:
        return Path(source)
    with explained(str(source)):
        folder = hub_client().snapshot_download(
            match["name"], revision=match["revision"], allow_patterns=list(files)
        )
    try:
        return WeightsConfig.load(folder).folder
    except WeightsError:
        _forget(Path(folder))
        raise


def _forget(snapshot: Path) -> None:
    """Drops damaged files from the cache, so that the next try downloads them anew."""
    for name in SERVING_FILES:
        blob = (snapshot / name).resolve()
        (snapshot / name).unlink(missing_ok=True)
        blob.unlink(missing_ok=True)


def hub_client() -> HfApi:
    """The Hub's client; endpoint, cache and token are those of its environment."""
    from huggingface_hub import HfApi  # half a second, which folders need not pay

    from fracture.version import __version__

    return HfApi(library_name="fracture", library_version=__version__)


@contextlib.contextmanager
def explained(target: str) -> Iterator[None]:
    """Turns what the Hub's client raises into a `WeightsError` about `target`."""
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # the client passes on its transport's, of many types
        if (found := _explain(error)) is None:
            raise
        code, reason = found
        raise WeightsError(code, f"{target}: {reason}") from error


def _explain(error: BaseException | None) -> tuple[str, str] | None:
    """Code and reason of the first exception in the chain of causes that tells one."""
    from huggingface_hub import errors

    if error is None:
        return None
    response = getattr(error, "response", None)
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return "disk_full", "no space left for the download (HF_HOME moves the cache)"
    if isinstance(error, errors.RevisionNotFoundError):
        return "hub_revision", "the repository has no such branch, tag or commit"
    if isinstance(error, errors.GatedRepoError):
        return "hub_denied", "gated; ask for access on its page, then `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        reason = "neither a folder nor a repository; a private one needs a token"
        return "hub_repository", reason
    if isinstance(error, errors.HFValidationError):
        return "hub_repository", "neither a folder nor a name a repository can have"
    if response is not None:
        code, reason = _STATUS.get(
            response.status_code,
            ("hub_failed", f"the Hub answers {response.status_code}; try again later"),
        )
        told = getattr(error, "server_message", None)
        return code, f"{reason} ({told})" if told else reason
    if found := _explain(error.__cause__):
        return found
    transport = type(error).__module__.startswith(("httpx", "httpcore"))
    if transport or isinstance(
        error, (errors.LocalEntryNotFoundError, ConnectionError)
    ):
        reason = "neither a folder nor in the cache, and the Hub cannot be reached"
        return "hub_unreachable", reason
    return None
