"""The queue keeps what it was given, whole, wherever a process ends."""

import errno
import json
import os
import time

import pytest

from fracture.node import NodeError
from fracture.node import spool as module
from fracture.node.spool import ANSWERED, FAILED, IN, OUT, Spool, name_of


@pytest.fixture
def spool(tmp_path) -> Spool:
    return Spool(tmp_path / "spool")


def test_names_are_digests():
    assert name_of("1.2.3") != name_of("1.2.4")
    assert len(name_of("1.2.3")) == 32 and "1.2.3" not in name_of("1.2.3")


def test_entries_come_in_the_order_they_arrived(spool):
    for number, name in enumerate(("b", "a", "c")):
        spool.put(IN, f"{name}.dcm", b"x")
        moment = time.time() - 100 + number
        os.utime(spool.path(IN, f"{name}.dcm"), (moment, moment))
    assert spool.names(IN) == ["b.dcm", "a.dcm", "c.dcm"]


def test_what_is_written_is_synced_before_it_has_its_name(spool, monkeypatch):
    """File, then rename, then folder: the order that survives a power cut."""
    steps = []
    real_sync, real_replace = os.fsync, os.replace

    def fsync(descriptor):
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"
        steps.append(kind)
        real_sync(descriptor)

    def replace(*paths):
        steps.append("rename")
        real_replace(*paths)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    spool.put(IN, "a.dcm", b"film")
    assert steps == ["file", "rename", "folder"]
    assert spool.path(IN, "a.dcm").read_bytes() == b"film"


@pytest.mark.parametrize("method", ["put", "put_folder"])
def test_a_full_disk_leaves_nothing_behind(method, spool, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    content = b"film" if method == "put" else {"sr.dcm": b"report"}
    with pytest.raises(OSError, match="No space"):
        getattr(spool, method)(IN, "a", content)
    assert [p for p in spool.root.rglob("*") if p.is_file()] == []
    assert not list((spool.root / "tmp").iterdir())


def test_a_folder_that_is_there_is_left_as_it_is(spool):
    spool.put_folder(OUT, "a", {"sr.dcm": b"first"})
    spool.put_folder(OUT, "a", {"sr.dcm": b"second", "sc.dcm": b"x"})
    assert [p.name for p in spool.path(OUT, "a").iterdir()] == ["sr.dcm"]
    assert spool.path(OUT, "a").joinpath("sr.dcm").read_bytes() == b"first"


def test_a_failure_has_its_reason_beside_it(spool):
    spool.put(IN, "a.dcm", b"film")
    spool.fail(IN, "a.dcm", {"code": "truncated_file"})
    assert spool.names(IN) == [] and spool.names(FAILED) == ["a.dcm"]
    assert spool.reason("a")["code"] == "truncated_file"
    assert spool.reason("b") == {}
    spool.forgive("a")
    assert not list((spool.root / FAILED).iterdir())


def test_results_that_fail_again_take_the_place_of_the_first(spool):
    for content in (b"1", b"2"):
        spool.put_folder(OUT, "a", {"sr.dcm": content})
        spool.fail(OUT, "a", {"code": "pacs_refused"})
    assert spool.path(FAILED, "a").joinpath("sr.dcm").read_bytes() == b"2"


def test_a_film_is_known_while_it_waits_and_when_these_weights_answered(spool):
    assert not spool.knows("a", "v1")
    spool.put(IN, "a.dcm", b"film")
    assert spool.knows("a", "v1")
    spool.remove(IN, "a.dcm")
    spool.answer("a", "v1", "sent")
    assert spool.knows("a", "v1") and not spool.knows("a", "v2")
    assert spool.answered("a") == {"model_version": "v1", "code": "sent"}


def test_one_spool_has_one_node(spool):
    with spool.held(), pytest.raises(NodeError) as raised, Spool(spool.root).held():
        pass
    assert raised.value.code == "spool_held"
    with spool.held():
        pass


def test_what_a_killed_node_was_writing_is_swept_up(spool):
    (spool.root / "tmp" / "half").write_bytes(b"fi")
    (spool.root / "tmp" / "folder").mkdir()
    with spool.held():
        assert not list((spool.root / "tmp").iterdir())


def test_nobody_else_reads_it(spool):
    spool.put(IN, "a.dcm", b"film")
    assert (spool.root / IN).stat().st_mode & 0o077 == 0
    assert spool.path(IN, "a.dcm").stat().st_mode & 0o077 == 0


def test_what_lay_too_long_goes(spool):
    for name in ("old", "new"):
        spool.answer(name, "v1", "sent")
    os.utime(spool.path(ANSWERED, "old"), (0, 0))
    assert spool.expire(ANSWERED, 86400) == 1
    assert spool.names(ANSWERED) == ["new"]


def test_the_state_counts_and_names_reasons(spool):
    spool.put(IN, "a.dcm", b"film")
    for name in ("b.dcm", "c.dcm"):
        spool.put(IN, name, b"film")
        spool.fail(IN, name, {"code": "truncated_file"})
    state = spool.state()
    assert state["waiting_to_be_judged"] == 1 and state["waiting_to_be_sent"] == 0
    assert state["set_aside"] == {"truncated_file": 2}
    json.dumps(state)


def test_a_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeError) as raised:
        Spool(tmp_path / "file")
    assert raised.value.code == "spool_unusable"
