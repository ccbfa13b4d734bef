"""A node that kills itself: `python killed.py CONFIG STEP` dies at its STEP-th change.

A change is whatever it does to a file of its spool, told by the interpreter itself
(`sys.addaudithook`), and also the moment just after a result was sent.
"""

import os
import signal
import sys

spool, left = "", 0
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")


def die_in_time() -> None:
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def watch(event: str, arguments: tuple) -> None:
    if not left or event not in CHANGES or not str(arguments[0]).startswith(spool):
        return
    if event == "open" and not arguments[2] & (os.O_CREAT | os.O_WRONLY):
        return
    die_in_time()


def main() -> None:
    global spool, left
    from pathlib import Path

    from fracture import FractureClassifier
    from fracture.node.config import NodeConfig
    from fracture.node.node import Node
    from fracture.node.pacs.dimse import DimsePacs
    from fracture.node.telemetry import Telemetry

    config = NodeConfig.load(Path(sys.argv[1]))
    store = DimsePacs.store

    def stored(self, path):
        status = store(self, path)
        if left:
            die_in_time()
        return status

    DimsePacs.store = stored
    classifier = FractureClassifier.from_pretrained(config.weights, threads=1)
    node = Node(config, classifier, Telemetry())
    signal.signal(signal.SIGTERM, lambda *_: node.stop.set())
    spool = str(config.spool)
    wait = Telemetry.log

    def armed(self, event, **facts):
        global left
        wait(self, event, **facts)
        if event == "started":
            left = int(sys.argv[2])

    Telemetry.log = armed
    sys.addaudithook(watch)
    node.run()


if __name__ == "__main__":
    main()
