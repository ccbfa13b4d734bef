"""A node between a modality and a PACS, all of it by the wire."""

import errno
import json
import re
import threading
import time

import dicom_films
import httpx
import numpy as np
import pytest
from node_films import (
    SECRETS,
    FakePacs,
    film,
    free_port,
    picture,
    running,
    send,
    settings,
    until,
)
from pydicom import uid
from pydicom.uid import generate_uid
from specimens import encode
from sr_reader import read_report

from fracture.node.spool import FAILED, IN, OUT, Spool, name_of
from fracture.radiograph import read_radiograph


@pytest.fixture(scope="module")
def pacs():
    with FakePacs() as found:
        yield found


@pytest.fixture(scope="module")
def node(pacs, classifier, tmp_path_factory):
    """A node with short quiet times and its metrics open."""
    values = settings(
        tmp_path_factory.mktemp("node") / "spool",
        pacs.port,
        results={"study_quiet_seconds": 1},
        allow={"calling": ["XRAY", "ORTHANC"]},
        films={"secondary_capture": True},
        limits={"film_megabytes": 4, "associations": 2},
        operation={"port": free_port()},
    )
    with running(values, classifier) as found:
        yield found


def events(node, name: str) -> list[dict]:
    lines = [json.loads(line) for line in node.log.getvalue().splitlines()]
    return [line for line in lines if line["event"] == name]


def test_a_film_has_its_report_and_its_picture(node, pacs, classifier):
    made = film("hairline")
    assert send(node.port, made) == [0]
    found = until(lambda: (r := pacs.of(made)).keys() >= {"SR", "OT"} and r)
    said = read_report(found["SR"])
    answer = classifier.predict(read_radiograph(dicom_films.write(made))).to_dict()
    for key, value in answer.items():
        assert said[key] == value, key
    for result in found.values():
        assert result.PatientName == made.PatientName
        assert result.PatientID == made.PatientID


def test_echo(node):
    assert send(node.port) == [0]


def coded(syntax, **elements):
    """A film in a transfer syntax, small enough to be coded quickly."""
    pixels = dicom_films.FILM.astype(np.uint8)
    made = film(pixels, **elements)
    kinds = {
        uid.JPEGBaseline8Bit: "JPEG",
        uid.JPEGExtended12Bit: "JPEG",
        uid.JPEGLossless: "LJPEG",
        uid.JPEGLosslessSV1: "LJPEG",
        uid.JPEGLSLossless: "JPEGLS",
        uid.JPEGLSNearLossless: "JPEGLS",
        uid.JPEG2000Lossless: "JPEG2000",
        uid.JPEG2000: "JPEG2000",
    }
    if syntax == uid.RLELossless:
        made.compress(
            uid.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False
        )
    elif syntax in kinds:
        made.PixelData = dicom_films.encapsulate([encode_as(pixels, kinds[syntax])])
        made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = syntax
    return made


def encode_as(pixels: np.ndarray, kind: str) -> bytes:
    import imagecodecs

    return {
        "JPEG": lambda: encode(pixels, "JPEG", quality=95),
        "LJPEG": lambda: imagecodecs.ljpeg_encode(pixels, bitspersample=8),
        "JPEGLS": lambda: imagecodecs.jpegls_encode(pixels),
        "JPEG2000": lambda: imagecodecs.jpeg2k_encode(
            pixels, level=0, codecformat="j2k"
        ),
    }[kind]()


def test_every_transfer_syntax_that_is_claimed_is_judged(node, pacs):
    from fracture.radiograph.dicom import transfer_syntaxes

    films = {syntax: coded(syntax) for syntax in transfer_syntaxes()}
    assert len(films) >= 13
    for made in films.values():
        assert send(node.port, made) == [0]
    for syntax, made in films.items():
        assert until(lambda made=made: "SR" in pacs.of(made)), syntax.name


def test_the_views_of_a_study_have_one_common_report(node, pacs):
    study = generate_uid()
    films = [film(n, StudyInstanceUID=study) for n in ("normal", "displaced")]
    send(node.port, *films)

    def common():
        kept = [r[-1] for r in list(pacs.taken.values())]
        found = [r for r in kept if r.StudyInstanceUID == study and r.Modality == "SR"]
        return [r for r in found if "views" in read_report(r)]

    (report,) = until(common)
    said = read_report(report)
    assert said["finding"] == "fracture_suspected" and len(said["views"]) == 2
    time.sleep(1.5)
    assert len(common()) == 1
    late = film("hairline", StudyInstanceUID=study)
    send(node.port, late)
    until(lambda: len(common()) == 2)
    assert {len(read_report(r)["views"]) for r in common()} == {2, 3}


def test_a_film_that_comes_again_is_answered_once(node, pacs):
    made = film()
    assert send(node.port, made, made) == [0, 0]
    until(lambda: pacs.of(made).keys() >= {"SR", "OT"})
    assert send(node.port, made) == [0]
    time.sleep(1)
    found = [
        r for r in pacs.taken.values() if r[0].StudyInstanceUID == made.StudyInstanceUID
    ]
    assert all(len(sent) == 1 for sent in found)
    assert events(node, "film_known")


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"Modality": "CT"}, "modality"),
        ({"BodyPartExamined": "CHEST"}, "body_part"),
        ({"QualityControlImage": "YES"}, "quality_control"),
        ({"Manufacturer": "fracture"}, "own_result"),
    ],
)
def test_what_is_no_patients_limb_is_passed_over(elements, code, node, pacs):
    made = film(**elements)
    assert send(node.port, made) == [0]
    name = name_of(made.SOPInstanceUID)
    spool = Spool(node.spool)
    until(lambda: spool.answered(name))
    assert spool.answered(name)["code"] == code
    until(lambda: not spool.path(IN, f"{name}.dcm").exists())
    assert not pacs.of(made)


def test_results_of_ours_are_never_judged(node, pacs):
    """Whatever a PACS routes back: the report is not taken, the picture passed over."""
    made = film()
    send(node.port, made)
    found = until(lambda: (r := pacs.of(made)).keys() >= {"SR", "OT"} and r)
    report, capture = found["SR"], found["OT"]
    for result, syntax in (
        (report, uid.ExplicitVRLittleEndian),
        (capture, uid.JPEGBaseline8Bit),
    ):
        result.file_meta = dicom_films.FileMetaDataset()
        result.file_meta.TransferSyntaxUID = syntax
        result.file_meta.MediaStorageSOPClassUID = result.SOPClassUID
        result.file_meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
    before = len(pacs.taken)
    assert send(node.port, report) == [None]
    assert send(node.port, capture) == [0]
    name = name_of(capture.SOPInstanceUID)
    until(lambda: Spool(node.spool).answered(name))
    assert Spool(node.spool).answered(name)["code"] == "own_result"
    time.sleep(1.5)
    assert len(pacs.taken) <= before + 1  # the study's own report may have come


def test_a_film_that_cannot_be_read_is_set_aside(node, pacs):
    made = film()
    made.PixelData = made.PixelData[: len(made.PixelData) // 2]
    good = film()
    assert send(node.port, made, good) == [0, 0]
    spool, name = Spool(node.spool), name_of(made.SOPInstanceUID)
    until(lambda: spool.path(FAILED, f"{name}.dcm").exists())
    assert spool.reason(name)["code"] == "truncated_file"
    until(lambda: "SR" in pacs.of(good))
    assert "SR" not in pacs.of(made)


def test_a_film_that_was_set_aside_may_come_again(node, pacs):
    made = film()
    whole = made.PixelData
    made.PixelData = whole[:1000]
    send(node.port, made)
    spool, name = Spool(node.spool), name_of(made.SOPInstanceUID)
    until(lambda: spool.path(FAILED, f"{name}.dcm").exists())
    made.PixelData = whole
    send(node.port, made)
    until(lambda: "SR" in pacs.of(made))
    until(lambda: not spool.reason(name))  # the last that goes
    assert not spool.path(FAILED, f"{name}.dcm").exists()


@pytest.mark.parametrize(
    "titles", [{"aet": "STRANGER"}, {"called": "ANOTHER"}, {"called": "fracture"}]
)
def test_wrong_titles_are_rejected(titles, node):
    assert send(node.port, film(), **titles) == [None]
    assert events(node, "caller_rejected")


def test_two_associations_at_once_and_not_a_third(node):
    """`associations = 2`: the third is told to come again."""
    from pynetdicom import AE
    from pynetdicom.sop_class import Verification

    ae = AE("XRAY")
    ae.add_requested_context(Verification)
    calls = [ae.associate("127.0.0.1", node.port, ae_title="FRACTURE") for _ in "123"]
    assert [call.is_established for call in calls] == [True, True, False]
    assert calls[2].is_rejected
    assert [call.send_c_echo().Status for call in calls[:2]] == [0, 0]
    for call in calls[:2]:
        call.release()


def test_films_of_two_callers_at_once(node, pacs):
    groups = [[film() for _ in range(3)] for _ in range(2)]
    until(lambda: send(node.port) == [0])
    statuses = []
    threads = [
        threading.Thread(target=lambda g=g: statuses.extend(send(node.port, *g)))
        for g in groups
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 6
    for made in (made for group in groups for made in group):
        until(lambda made=made: "SR" in pacs.of(made))


def test_a_caller_that_sends_without_end_is_cut_off(node):
    until(lambda: send(node.port) == [0])
    made = film(np.zeros((3000, 3000), np.uint8))  # 9 of at most 4 MiB
    assert send(node.port, made) == [None]
    assert (
        not Spool(node.spool).path(IN, name_of(made.SOPInstanceUID) + ".dcm").exists()
    )
    assert send(node.port) == [0]


def test_a_full_disk_refuses_films_and_holds_on_to_those_it_has(
    node, pacs, monkeypatch
):
    real, made = Spool.put, film()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Spool, "put", full)
    assert send(node.port, made) == [0xA700]
    monkeypatch.setattr(Spool, "put", real)
    monkeypatch.setattr(Spool, "put_folder", full)
    assert send(node.port, made) == [0]
    until(lambda: events(node, "films_wait"))
    assert Spool(node.spool).names(IN)
    monkeypatch.undo()
    until(lambda: "SR" in pacs.of(made))


def test_below_the_watermark_nothing_is_taken(node, monkeypatch):
    monkeypatch.setattr(Spool, "free_bytes", lambda _: -1)
    assert send(node.port, film()) == [0xA700]
    address = f"http://127.0.0.1:{node.config.operation.port}"
    reply = httpx.get(f"{address}/healthz")
    assert reply.status_code == 503 and reply.json()["disk"] is False


def test_nothing_it_tells_names_a_patient(node, pacs):
    """Log, metrics and health of all films above, and the spool's file names."""
    made = film()
    send(node.port, made)
    until(lambda: "SR" in pacs.of(made))
    address = f"http://127.0.0.1:{node.config.operation.port}"
    told = node.log.getvalue() + "".join(
        httpx.get(f"{address}/{page}").text for page in ("metrics", "healthz", "")
    )
    told += "".join(map(str, node.spool.rglob("*")))
    told += json.dumps(Spool(node.spool).state())
    for secret in (*SECRETS.values(), *dicom_films.SECRETS, made.StudyInstanceUID):
        parts = [part for part in re.split(r"[\^ ]", secret) if len(part) > 1]
        assert not [part for part in parts if part in told], secret
    assert made.SOPInstanceUID not in told


def test_metrics_count_what_happened(node):
    address = f"http://127.0.0.1:{node.config.operation.port}"
    text = httpx.get(f"{address}/metrics").text
    for name in (
        'fracture_judged_total{finding="fracture_suspected"}',
        'fracture_refused_total{code="truncated_file"}',
        'fracture_sent_total{kind="sr"}',
        'fracture_sent_total{kind="study"}',
        'fracture_seconds_count{step="judge"}',
        'fracture_queue_length{queue="failed"}',
        "fracture_received_total",
    ):
        found = re.search(rf"^{re.escape(name)} (\S+)", text, re.M)
        assert found and float(found[1]) > 0, name
    assert httpx.get(f"{address}/healthz").json() == {
        "worker": True,
        "sender": True,
        "disk": True,
    }
    assert httpx.get(f"{address}/other").status_code == 404


def test_a_film_of_a_rejected_address_never_gets_a_word(pacs, classifier, tmp_path):
    values = settings(
        tmp_path / "s", pacs.port, allow={"addresses": ["203.0.113.0/24"]}
    )
    with running(values, classifier) as node:
        assert send(node.port, film()) == [None]
        assert not Spool(node.spool).names(IN)


def test_only_unanswered_films_are_judged(classifier, tmp_path, monkeypatch):
    """The PACS is asked; one that does not answer counts as having nothing."""
    from fracture.node.reconcile import Reconciliation

    asked = []
    monkeypatch.setattr(
        Reconciliation, "missing", lambda _, found: asked.append(found.uid) or []
    )
    films = {"only_unanswered": True}
    with FakePacs() as pacs:
        values = settings(tmp_path / "s", pacs.port, films=films)
        with running(values, classifier) as node:
            made, other = film(), film()
            send(node.port, made)
            spool, name = Spool(node.spool), name_of(made.SOPInstanceUID)
            until(lambda: spool.answered(name))
            assert spool.answered(name)["code"] == "answered_already"
            assert asked == [made.SOPInstanceUID] and not pacs.of(made)
            monkeypatch.undo()  # this PACS answers no C-FIND
            send(node.port, other)
            until(lambda: "SR" in pacs.of(other))
            assert events(node, "pacs_not_asked")


def test_a_node_that_starts_takes_up_what_waits(classifier, tmp_path):
    spool = Spool(tmp_path / "s")
    made = film()
    spool.put(IN, name_of(made.SOPInstanceUID) + ".dcm", dicom_films.write(made))
    with FakePacs() as pacs:
        with running(settings(tmp_path / "s", pacs.port), classifier):
            until(lambda: pacs.of(made).keys() >= {"SR", "OT"})
        assert not spool.names(IN) and not spool.names(OUT)
    assert picture().shape == (made.Rows, made.Columns)


@pytest.mark.slow
def test_fifty_patients_leave_no_trace_outside_their_study(classifier, tmp_path):
    """Log and metrics hold nothing of fifty films' patients, judged or refused."""
    rng = np.random.default_rng(5)

    def word(letters="abcdefghijklmnopqrstuvwxyz") -> str:
        return "".join(rng.choice(list(letters), 9))

    films, secrets = [], []
    pixels = dicom_films.FILM.astype(np.uint8)
    for number in range(50):
        own = {"PatientName": f"{word()}^{word()}", "PatientID": word("0123456789")}
        own |= {
            key: word() for key in ("AccessionNumber", "StudyID", "IssuerOfPatientID")
        }
        own |= {"PatientBirthDate": f"19{rng.integers(10, 99)}0813"}
        own |= {"PatientComments": word(), "StudyDescription": word()}
        own |= {"OtherPatientIDs": word(), "InstitutionName": word()}
        made = film(pixels, **own)
        if number % 10 == 3:
            made.PixelData = made.PixelData[:500]
        if number % 10 == 7:
            made.Modality = word()[:8].upper()
            own["Modality"] = made.Modality
        films.append(made)
        secrets += [*own.values(), made.StudyInstanceUID, made.SOPInstanceUID]
    operation = {"port": free_port()}
    with FakePacs() as pacs:
        values = settings(
            tmp_path / "s",
            pacs.port,
            operation=operation,
            results={"study_quiet_seconds": 1},
        )
        with running(values, classifier) as node:
            assert send(node.port, *films) == [0] * 50
            until(lambda: len(pacs.taken) >= 40 * 3, 300)
            told = httpx.get(f"http://127.0.0.1:{operation['port']}/metrics").text
            told += node.log.getvalue() + json.dumps(Spool(node.spool).state())
    parts = {part for secret in secrets for part in secret.split("^")}
    assert len(parts) > 400
    assert not [part for part in parts if part in told]
