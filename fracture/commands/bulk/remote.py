"""Films in other places: `s3://`, `gs://`, `hf://`, whatever fsspec knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from fracture.radiograph import RadiographError

if TYPE_CHECKING:
    from fracture.radiograph import Radiograph

_PATTERN = frozenset("*?[")


def is_address(name: str) -> bool:
    """Whether a name is an address rather than a path."""
    return "://" in name


def find(address: str, suffixes: set[str]) -> Iterator[str]:
    """The films at an address, sorted: of a folder or a pattern, or the one itself.

    Args:
        suffixes: of films, in a folder.

    Raises:
        RadiographError: `unreadable_source`.
    """
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(address)
        if _PATTERN & set(address):
            found = system.glob(path)
        elif system.isdir(path):
            found = [f for f in system.find(path) if _suffix(f) in suffixes]
        else:
            yield address
            return
        yield from map(system.unstrip_protocol, sorted(found))
    except (OSError, ValueError, ImportError) as error:
        message = f"{address} cannot be listed: {error}"
        raise RadiographError("unreadable_source", message) from error


def _suffix(path: str) -> str:
    return "." + path.rpartition(".")[2].lower()


def reading(read: Callable[[str | BinaryIO], Radiograph], film: str) -> Radiograph:
    """Reads a film at a path or an address.

    Raises:
        RadiographError: what `read` raises, or `file_not_found` or `unreadable_file` of
            an address.
    """
    if not is_address(film):
        return read(film)
    try:
        import fsspec

        with fsspec.open(film, "rb") as stream:
            return read(stream)
    except RadiographError:
        raise
    except FileNotFoundError:
        message = "There is no file at that address; check it."
        raise RadiographError("file_not_found", message) from None
    except Exception:  # storage raises anything at all
        message = "The file could not be fetched; check the address and its rights."
        raise RadiographError("unreadable_file", message) from None
