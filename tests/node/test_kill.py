"""A node that is killed loses nothing, and the PACS has every result once."""

import contextlib
import json
import os
import signal
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


class Nodes:
    """Nodes in processes of their own, one at a time."""

    def __init__(self, config):
        command = [sys.executable, ROOT / "tests" / "killed_node.py"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._config, pipe = config, subprocess.PIPE
        self._server = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, text=True
        )

    def start(self, point: int) -> None:
        """Starts one that ends at its `point`-th step, at none if 0."""
        self._server.stdin.write(f"{self._config} {point}\n")
        self._server.stdin.flush()
        self.process = self._said("process")["process"]
        self._said("event", "started")

    def _said(self, key: str, value: str | None = None) -> dict:
        while line := self._server.stdout.readline():
            said = json.loads(line)
            if key in said and value in (None, said[key]):
                return said
            self.last = said
        raise AssertionError("it ended")

    def end(self, number: int | None = None) -> int:
        """Its exit code, after a signal if one is named."""
        if number:
            os.kill(self.process, number)
        return self._said("event", "ended")["code"]

    def close(self) -> None:
        self._server.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        self._server.communicate()


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
        nodes = Nodes(tmp_path / "node.toml")
        yield pacs, nodes, port, Spool(tmp_path / "spool")
        nodes.close()


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


@pytest.mark.slow
def test_killed_at_ten_points_nothing_is_lost_and_nothing_twice(place, classifier):
    """Ten nodes in turn, each killed while it works on what the last one left."""
    pacs, nodes, port, spool = place
    films, refused = [film("normal") for _ in POINTS], []
    for point, made in zip(POINTS, films, strict=True):
        nodes.start(point)
        if send(port, made) != [0]:
            refused.append(made)  # its sender knows, and sends it again
        assert nodes.end() == -signal.SIGKILL
    assert len(refused) < len(films)
    nodes.start(0)
    assert send(port, *refused) == [0] * max(1, len(refused))
    until(lambda: not spool.names(IN) and not spool.names(OUT), 60)
    assert nodes.end(signal.SIGTERM) == 0
    assert not spool.names(FAILED) and not list((spool.root / "tmp").iterdir())
    expect_results(pacs, films, classifier.config.model_version)


def test_sigterm_ends_it_cleanly_and_the_rest_waits(place, classifier):
    pacs, nodes, port, spool = place
    films = [film() for _ in range(6)]
    nodes.start(0)
    assert send(port, *films) == [0] * 6
    start = time.monotonic()
    assert nodes.end(signal.SIGTERM) == 0
    assert time.monotonic() - start < 15
    assert nodes.last["event"] == "stopped"
    assert nodes.last["waiting"] == len(spool.names(IN)) + len(spool.names(OUT))
    nodes.start(0)
    until(lambda: len(pacs.taken) == 12, 60)
    expect_results(pacs, films, classifier.config.model_version)
    said = [read_report(pacs.of(made)["SR"])["finding"] for made in films]
    assert said == ["fracture_suspected"] * 6
