"""Markdown from Jinja templates; a number that is missing is said to be."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).parent


class _Missing(ChainableUndefined, StrictUndefined):
    """May be looked into and handed to a macro; to print or to test it raises."""


@functools.cache
def _environment(folder: Path) -> Environment:
    """Templates of a folder, which may use the macros of `tables.md`.

    Not `ModelCard.from_template`: an undefined value passes it as nothing, and it
    imports no macros.
    """
    return Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        undefined=_Missing,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: Path, **values) -> str:
    """Fills a template.

    Raises:
        jinja2.UndefinedError: it prints a value that is not there; the macros of
            `tables.md` print "not measured".
    """
    return _environment(template.parent).get_template(template.name).render(values)


def figure_names() -> dict[str, dict[str, str]]:
    """Section of a report -> key of a figure -> how people call it."""
    return _environment(_FOLDER).get_template("tables.md").module.names
