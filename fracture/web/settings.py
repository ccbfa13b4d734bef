"""What the environment may set, read once when the app starts."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping

from fracture.engine import DEFAULT

_MOST_WORKERS = 4  # unless more are asked for: each keeps a process that reads films


class SettingsError(ValueError):
    """An environment variable holds what it cannot: `code` and `message`."""

    def __init__(self, message: str):
        super().__init__(message)
        self.code, self.message = "bad_setting", message


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("on or off")
    return text.lower() == "on"


def _count(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f"a whole number from {least} on")
        return int(text)

    return parse


def _hosts(text: str) -> str:
    for host in _separate(text):
        if not re.fullmatch(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*", host):
            raise ValueError("names of hosts with commas between, without ports")
    return text


def _separate(text: str) -> list[str]:
    return re.split(r"[,\s]+", text)


def _setting(name: str, default: object, parse: Callable[[str], object]):
    return dataclasses.field(default=default, metadata={"name": name, "parse": parse})


@dataclasses.dataclass(frozen=True)
class Settings:
    """The app's settings; address, port and base path are Gradio's own variables.

    Attributes:
        weights: folder, or `user/name@revision` on the Hub; None is that of the app.
        guidance: whether reference steps for clinicians are shown.
        max_films: most films of one batch, all archives included.
        max_views: most views of one study.
        max_upload_mb: MiB of the largest file, an archive for example.
        max_megapixels: of one film.
        concurrency: films worked on at the same time, a study as a whole; 0 is one for
            each core, four at most. See `workers`.
        queue: most requests that wait; further ones are answered `busy`.
        reader_seconds: most time to read one film.
        reader_mb: MiB of address space of each process that reads films, of which
            there are as many as `workers`.
        hosts: names by which the app may be called, with commas between; `*` is any,
            `*.` at the beginning any subdomain. This machine may always call itself.
        threads: of the inference engine; 0 takes one per core.
        engine: what runs the network, key of `fracture.engine.ENGINES` or `auto`.
    """

    weights: str | None = _setting("FRACTURE_WEIGHTS", None, str)
    guidance: bool = _setting("FRACTURE_GUIDANCE", True, _switch)
    max_films: int = _setting("FRACTURE_MAX_FILMS", 500, _count(1))
    max_views: int = _setting("FRACTURE_MAX_VIEWS", 12, _count(1))
    max_upload_mb: int = _setting("FRACTURE_MAX_UPLOAD_MB", 256, _count(1))
    max_megapixels: int = _setting("FRACTURE_MAX_MEGAPIXELS", 40, _count(1))
    concurrency: int = _setting("FRACTURE_CONCURRENCY", 0, _count(0))
    queue: int = _setting("FRACTURE_QUEUE", 32, _count(1))
    reader_seconds: int = _setting("FRACTURE_READER_SECONDS", 10, _count(1))
    reader_mb: int = _setting("FRACTURE_READER_MB", 1024, _count(256))
    hosts: str = _setting("FRACTURE_HOSTS", "*", _hosts)
    threads: int = _setting("FRACTURE_THREADS", 0, _count(0))
    engine: str = _setting("FRACTURE_ENGINE", DEFAULT, str)

    @property
    def workers(self) -> int:
        """Films worked on at the same time."""
        return self.concurrency or min(_MOST_WORKERS, os.cpu_count() or 1)

    @property
    def allowed_hosts(self) -> list[str]:
        """`hosts`, and those by which the machine calls itself."""
        return [*_separate(self.hosts), "localhost", "127.0.0.1"]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Reads the variables that are set and not empty.

        Raises:
            SettingsError: one holds what it cannot.
        """
        values = {}
        for field in dataclasses.fields(cls):
            text = environment.get(field.metadata["name"], "").strip()
            if not text:
                continue
            try:
                values[field.name] = field.metadata["parse"](text)
            except ValueError as error:
                message = f"{field.metadata['name']} must be {error}, not {text!r}"
                raise SettingsError(message) from None
        return cls(**values)
