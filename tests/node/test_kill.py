"""A node that is killed loses nothing, and the PACS has every result once."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
from node_films import ROOT, FakePacs, film, free_port, send, until
from sr_reader import read_report

from fracture.node.results.instance import result_uid
from fracture.node.spool import FAILED, IN, OUT, Spool

# Of some twenty changes that one film makes from its arrival to its last trace, those
# at which something else lies where it did not before.
POINTS = (1, 2, 3, 5, 7, 9, 11, 13, 15, 18)


@contextlib.contextmanager
def started(config, point: int):
    """A node that ends at its `point`-th change; at none if 0."""
    command = [sys.executable, ROOT / "tests" / "killed_node.py", config, str(point)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = ""
            while '"started"' not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            yield process
        finally:
            process.kill()


@pytest.fixture
def place(tmp_path):
    """A PACS, and the configuration of a node that sends to it."""
    with FakePacs() as pacs:
        port = free_port()
        text = f"""
            spool = "{tmp_path / "spool"}"
            weights = "{ROOT / "weights"}"
            [listen]
            host = "127.0.0.1"
            port = {port}
            [pacs]
            aet = "PACS"
            host = "127.0.0.1"
            port = {pacs.port}
            [results]
            study_quiet_seconds = 0
            [limits]
            free_megabytes = 0
            jobs = 1
            [operation]
            port = 0
        """
        (tmp_path / "node.toml").write_text(text)
        yield pacs, tmp_path / "node.toml", port, Spool(tmp_path / "spool")


def expect_results(pacs, films, version) -> None:
    """Each film has its report and its picture, and the PACS has nothing else."""
    wanted = {
        result_uid(made.SOPInstanceUID, version, kind)
        for made in films
        for kind in ("sr", "sc")
    }
    assert pacs.taken.keys() == wanted
    for sent in pacs.taken.values():
        # Killed between the PACS's answer and its own note of it, a node sends the
        # same object again, under the same UID: the PACS knows it.
        assert len(sent) <= 2 and all(again == sent[0] for again in sent)


def test_killed_at_ten_points_nothing_is_lost_and_nothing_twice(place, classifier):
    """Ten nodes in turn, each killed while it works on what the last one left."""
    pacs, config, port, spool = place
    films, died = [], 0
    for point in POINTS:
        with started(config, point) as node:
            made = film("normal")
            # One that was killed before it answered is sent the film again, as any
            # modality does.
            status = send(port, made)
            if node.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.wait(15)
            died += node.poll() == -9
            if status == [0]:
                films.append(made)
            else:
                pending = made
                with started(config, 0):
                    assert send(port, pending) == [0]
                films.append(pending)
    assert died == len(POINTS)
    with started(config, 0) as node:
        until(lambda: not spool.names(IN) and not spool.names(OUT), 60)
        node.terminate()
        assert node.wait(20) == 0
    assert not spool.names(FAILED) and not list((spool.root / "tmp").iterdir())
    expect_results(pacs, films, classifier.config.model_version)


def test_sigterm_ends_it_cleanly_and_the_rest_waits(place, classifier):
    pacs, config, port, spool = place
    films = [film() for _ in range(6)]
    with started(config, 0) as node:
        assert send(port, *films) == [0] * 6
        start = time.monotonic()
        node.terminate()
        assert node.wait(20) == 0
        assert time.monotonic() - start < 15
        last = json.loads(node.stdout.read().splitlines()[-1])
    assert last["event"] == "stopped"
    assert last["waiting"] == len(spool.names(IN)) + len(spool.names(OUT))
    with started(config, 0):
        until(lambda: len(pacs.taken) == 12, 60)
    expect_results(pacs, films, classifier.config.model_version)
    said = [read_report(pacs.of(made)["SR"])["finding"] for made in films]
    assert said == ["fracture_suspected"] * 6
