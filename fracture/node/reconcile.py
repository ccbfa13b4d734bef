"""What the PACS really has: films never answered, results never stored.

A PACS says "success" where it routes to nobody, and stores what it loses later. So its
lists are compared with what should stand in them; whatever lacks is fetched and judged
again, under the same UIDs.
"""

from __future__ import annotations

import collections
import datetime
from collections.abc import Iterator

from fracture.node.config import NodeConfig
from fracture.node.pacs.pacs import Film, Pacs, Refused
from fracture.node.results.instance import result_uid, series_uid
from fracture.node.spool import ANSWERED, FILM, IN, SENT, Spool, name_of

COMPLETE, WAITING, FETCHED = "complete", "waiting", "fetched"


class Reconciliation:
    """A comparison of a PACS with what a node should have sent it."""

    def __init__(self, config: NodeConfig, pacs: Pacs, version: str):
        """`version` is that of the weights whose results are looked for."""
        self._config, self._pacs, self._version = config, pacs, version
        self._series: dict[str, set[str]] = {}

    def films(self, days: int) -> Iterator[Film]:
        """Films of the kinds that are judged, of the last so many days, today's too."""
        today = datetime.date.today()
        first = today - datetime.timedelta(days=days - 1)
        dates = (f"{first:%Y%m%d}", f"{today:%Y%m%d}")
        return self._pacs.films(*dates, list(self._config.films.modalities))

    def missing(self, film: Film) -> list[str]:
        """Kinds of results that the PACS does not have of a film."""
        kinds = self._config.results.kinds
        return [kind for kind in kinds if not self._has(film, kind)]

    def _has(self, film: Film, kind: str) -> bool:
        series = series_uid(film.study, self._version, kind)
        if series not in self._series:
            self._series[series] = self._pacs.instances(film.study, series)
        return result_uid(film.uid, self._version, kind) in self._series[series]

    def run(self, spool: Spool, days: int, dry: bool) -> collections.Counter[str]:
        """Has every film judged again that lacks a result.

        Args:
            spool: of the node, which may run.
            days: how far back, by study date.
            dry: only count.

        Returns:
            Films by what became of them: `complete`, `waiting` in the spool, `fetched`
            (to be, where `dry`), or the code of why there is no result.

        Raises:
            Unreachable: the PACS does not answer.
        """
        counts: collections.Counter[str] = collections.Counter()
        for film in self.films(days):
            counts[self._settle(spool, film, dry)] += 1
        return counts

    def _settle(self, spool: Spool, film: Film, dry: bool) -> str:
        if not self.missing(film):
            return COMPLETE
        name = name_of(film.uid)
        remembered = spool.answered(name)
        code = remembered.get("code", SENT)
        if remembered.get("model_version") == self._version and code != SENT:
            return code
        if not remembered and spool.knows(name, self._version):
            return WAITING
        if dry:
            return FETCHED
        # Else the node would take it for a film that it has answered.
        spool.remove(ANSWERED, name)
        try:
            content = self._pacs.fetch(film)
        except Refused as error:
            return error.code
        if content is not None:
            spool.put(IN, name + FILM, content)
        return FETCHED
