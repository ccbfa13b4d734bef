"""Nodes that kill themselves: for each line `CONFIG STEP` one that dies at that step.

A step is whatever a node changes in its spool, told by the interpreter itself
(`sys.addaudithook`), or the moment just after a result was sent; at step 0 it lives.
Libraries are loaded once; each node is a fork.
"""

import json
import os
import signal
import sys
from pathlib import Path

from fracture import FractureClassifier
from fracture.node.config import NodeConfig
from fracture.node.node import Node
from fracture.node.pacs.dimse import DimsePacs
from fracture.node.telemetry import Telemetry

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open")


class Fate:
    """Counts the steps of this process, once it is armed."""

    def __init__(self, spool: str):
        self.spool, self.left = spool, 0

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, event: str, arguments: tuple) -> None:
        if self.left <= 0 or event not in CHANGES:
            return
        if not str(arguments[0]).startswith(self.spool):
            return
        if event != "open" or arguments[2] & os.O_WRONLY:
            self.step()


def run(config: NodeConfig, point: int) -> None:
    fate = Fate(str(config.spool))
    store, log = DimsePacs.store, Telemetry.log

    def stored(self, path):
        status = store(self, path)
        fate.step()
        return status

    def armed(self, event, **facts):
        log(self, event, **facts)
        if event == "started":
            fate.left = point

    DimsePacs.store, Telemetry.log = stored, armed
    classifier = FractureClassifier.from_pretrained(config.weights, threads=1)
    node = Node(config, classifier, Telemetry())
    signal.signal(signal.SIGTERM, lambda *_: node.stop.set())
    sys.addaudithook(fate.watch)
    node.run()


def main() -> None:

    for line in sys.stdin:
        file, point = line.split()
        process = os.fork()
        if not process:
            run(NodeConfig.load(Path(file)), int(point))
            os._exit(0)
        print(json.dumps({"process": process}), flush=True)
        _, status = os.waitpid(process, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"event": "ended", "code": code}), flush=True)


if __name__ == "__main__":
    main()
