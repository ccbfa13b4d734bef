"""What a node asks of a PACS, whichever way it is reached."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator
from pathlib import Path


class Unreachable(Exception):
    """The PACS does not answer, or has no room now: try later. `code` says why."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class Refused(Exception):
    """The PACS will not take it. `code` and `status` as it gave them."""

    def __init__(self, code: str, status: int = 0):
        super().__init__(code, status)
        self.code, self.status = code, status


@dataclasses.dataclass(frozen=True)
class Film:
    """A film as the PACS lists it: UIDs of study, series and instance."""

    study: str
    series: str
    uid: str


class Pacs(abc.ABC):
    """A PACS. Every method raises `Unreachable` where it gives no answer."""

    @abc.abstractmethod
    def echo(self) -> None:
        """Returns if the PACS answers, and knows the node.

        Raises:
            Refused: it answers, but not to this node.
        """

    @abc.abstractmethod
    def store(self, path: Path) -> int:
        """Sends one result.

        Returns:
            The status: 0, or a warning.

        Raises:
            Refused: it will not be taken.
        """

    @abc.abstractmethod
    def films(self, first: str, last: str, modalities: list[str]) -> Iterator[Film]:
        """Lists the films of studies between two dates, `YYYYMMDD`."""

    @abc.abstractmethod
    def instances(self, study: str, series: str) -> set[str]:
        """SOP Instance UIDs of a series; none if there is no such series."""

    @abc.abstractmethod
    def fetch(self, film: Film) -> bytes | None:
        """Gets a film as a file; None if the PACS sends it to the node by itself.

        Raises:
            Refused: it does not give it.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Ends what is open; a further call opens it again."""
