"""What a test runs in a process of its own: a module that is imported at once."""

import os


def process_of(_) -> int:
    return os.getpid()


def die(_) -> None:
    os._exit(9)
