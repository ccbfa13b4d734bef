"""A PACS by DICOMweb: STOW-RS, QIDO-RS and WADO-RS (PS3.18)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread

from fracture.node.config import NodeConfig
from fracture.node.pacs.pacs import Film, Pacs, Refused, Unreachable

_LATER = {408, 425, 429, 500, 502, 503, 504, 507}
_PAGE = 100


class WebPacs(Pacs):
    """Talks to one base address, such as `http://127.0.0.1:8042/dicom-web`."""

    def __init__(self, config: NodeConfig):
        pacs = config.pacs
        self._session = session = requests.Session()
        session.trust_env = False  # neither proxies nor passwords from elsewhere
        if pacs.username:
            session.auth = (pacs.username, pacs.password.get_secret_value())
        if pacs.tls:
            pacs.tls.client()  # raises where the files are none
        if pacs.tls and pacs.tls.authority:
            session.verify = str(pacs.tls.authority)
        if pacs.tls and pacs.tls.certificate:
            key = pacs.tls.key or pacs.tls.certificate
            session.cert = (str(pacs.tls.certificate), str(key))
        self._client = DICOMwebClient(
            pacs.url, session=session, timeout=config.limits.network_seconds
        )
        self._client.set_http_retry_params(retry=False)  # the node has its own way

    def echo(self) -> None:
        with _explained():
            self._client.search_for_studies(limit=1)

    def store(self, path: Path) -> int:
        with _explained():
            answer = self._client.store_instances([dcmread(path)])
        # Orthanc writes the sequence even where it is empty.
        for failed in answer.get("FailedSOPSequence") or ():
            status = int(failed.get("FailureReason") or 0)
            if status & 0xFF00 == 0xA700:
                raise Unreachable("pacs_out_of_resources")
            raise Refused("pacs_refused", status)
        for taken in answer.get("ReferencedSOPSequence") or ():
            return int(taken.get("WarningReason") or 0)
        return 0

    def films(self, first: str, last: str, modalities: list[str]) -> Iterator[Film]:
        dates = {"StudyDate": f"{first}-{last}"}
        for study in self._all(self._client.search_for_studies, search_filters=dates):
            uid = study.StudyInstanceUID
            for series in self._all(self._client.search_for_series, uid):
                if series.get("Modality") in modalities:
                    for found in self.instances(uid, series.SeriesInstanceUID):
                        yield Film(uid, series.SeriesInstanceUID, found)

    def instances(self, study: str, series: str) -> set[str]:
        found = self._all(self._client.search_for_instances, study, series)
        try:
            return {str(instance.SOPInstanceUID) for instance in found}
        except Refused as error:
            if error.status == 404:
                return set()
            raise

    def _all(self, search, *args, **options) -> Iterator[Dataset]:
        offset = 0
        while True:
            with _explained():
                page = search(*args, limit=_PAGE, offset=offset, **options)
            yield from map(Dataset.from_json, page)
            if len(page) < _PAGE:
                return
            offset += len(page)

    def close(self) -> None:
        self._session.close()

    def fetch(self, film: Film) -> bytes | None:
        with _explained():
            found = self._client.retrieve_instance(
                film.study,
                film.series,
                film.uid,
                media_types=(("application/dicom", "*"),),
            )
        stream = io.BytesIO()
        found.save_as(stream)
        return stream.getvalue()


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turns what the client raises into what every PACS raises."""
    try:
        yield
    except requests.HTTPError as error:
        status = error.response.status_code
        if status in _LATER:
            raise Unreachable(f"http_{status}") from None
        raise Refused(f"http_{status}", status) from None
    except requests.RequestException:
        raise Unreachable("pacs_unreachable") from None
