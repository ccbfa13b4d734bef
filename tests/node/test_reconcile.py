"""The PACS's lists, not its words, decide what is answered."""

import datetime

import dicom_films
import pytest
from node_films import film, free_port, settings

from fracture.node.config import NodeConfig
from fracture.node.pacs.pacs import Film, Pacs, Refused
from fracture.node.reconcile import Reconciliation
from fracture.node.results.instance import result_uid, series_uid
from fracture.node.spool import ANSWERED, IN, OUT, Spool, name_of

VERSION = "model-1"


class Listed(Pacs):
    """A PACS with films and results, as lists of UIDs."""

    def __init__(self, *films):
        self.made = {f.SOPInstanceUID: f for f in films}
        self.stored: dict[tuple[str, str], set[str]] = {}
        self.asked, self.refuses = [], False

    def add(self, made, *kinds):
        for kind in kinds:
            series = series_uid(made.StudyInstanceUID, VERSION, kind)
            uid = result_uid(made.SOPInstanceUID, VERSION, kind)
            self.stored.setdefault((made.StudyInstanceUID, series), set()).add(uid)

    def films(self, first, last, modalities):
        self.dates = (first, last)
        for made in self.made.values():
            if made.Modality in modalities:
                uids = made.StudyInstanceUID, made.SeriesInstanceUID
                yield Film(*uids, made.SOPInstanceUID)

    def instances(self, study, series):
        self.asked.append(series)
        return self.stored.get((study, series), set())

    def fetch(self, film):
        if self.refuses:
            raise Refused("move_refused", 0xA801)
        return dicom_films.write(self.made[film.uid])

    def echo(self): ...
    def store(self, path): ...
    def close(self): ...


@pytest.fixture
def spool(tmp_path) -> Spool:
    return Spool(tmp_path / "spool")


def reconcile(spool, pacs, dry=False, days=2, **tables) -> dict:
    config = NodeConfig.of(settings(spool.root, free_port(), **tables))
    return dict(Reconciliation(config, pacs, VERSION).run(spool, days, dry))


def test_films_that_lack_a_result_are_fetched_and_the_others_are_not(spool):
    never, half, whole = film(), film(), film()
    pacs = Listed(never, half, whole)
    pacs.add(half, "sr")
    pacs.add(whole, "sr", "sc")
    spool.answer(name_of(half.SOPInstanceUID), VERSION, "sent")  # so said the PACS
    assert reconcile(spool, pacs, dry=True) == {"fetched": 2, "complete": 1}
    assert not spool.names(IN)
    assert reconcile(spool, pacs) == {"fetched": 2, "complete": 1}
    lacking = {name_of(f.SOPInstanceUID) + ".dcm" for f in (never, half)}
    assert set(spool.names(IN)) == lacking
    assert not spool.names(ANSWERED)  # else the node would take them for answered


def test_what_waits_or_was_refused_for_a_reason_is_left_alone(spool):
    judged_later, sent_later, chest = film(), film(), film(BodyPartExamined="CHEST")
    spool.put(IN, name_of(judged_later.SOPInstanceUID) + ".dcm", b"film")
    spool.put_folder(OUT, name_of(sent_later.SOPInstanceUID), {"sr.dcm": b"x"})
    spool.answer(name_of(chest.SOPInstanceUID), VERSION, "body_part")
    pacs = Listed(judged_later, sent_later, chest)
    assert reconcile(spool, pacs) == {"waiting": 2, "body_part": 1}
    assert len(spool.names(IN)) == 1


def test_other_weights_count_as_no_answer(spool):
    made = film()
    spool.answer(name_of(made.SOPInstanceUID), "model-0", "body_part")
    assert reconcile(spool, Listed(made)) == {"fetched": 1}


def test_only_the_kinds_that_are_sent_are_looked_for(spool):
    made = film()
    pacs = Listed(made)
    pacs.add(made, "sr")
    assert reconcile(spool, pacs, results={"kinds": ["sr"]}) == {"complete": 1}


def test_a_series_is_asked_for_once(spool):
    study = {"StudyInstanceUID": "1.2.3"}
    pacs = Listed(*(film(**study) for _ in range(3)))
    reconcile(spool, pacs, dry=True)
    assert len(pacs.asked) == len(set(pacs.asked)) == 2


def test_a_film_the_pacs_will_not_give_is_counted_by_its_code(spool):
    pacs = Listed(film())
    pacs.refuses = True
    assert reconcile(spool, pacs) == {"move_refused": 1}


def test_days_are_those_of_the_study(spool):
    pacs = Listed()
    reconcile(spool, pacs, days=3)
    today = datetime.date.today()
    first = today - datetime.timedelta(days=2)
    assert pacs.dates == (f"{first:%Y%m%d}", f"{today:%Y%m%d}")
