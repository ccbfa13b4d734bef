"""A report as `python -m fracture evaluate` prints it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import rich.console
import rich.markdown
import rich.table

from fracture.card.markdown import render
from fracture.prediction import FINDINGS

_TEMPLATE = Path(__file__).with_name("evaluation.md")
_WIDE = 160  # columns, where the output goes to no terminal


class _Table(rich.markdown.TableElement):
    """Folds what is too long instead of cutting it, but for the first column."""

    def __rich_console__(self, *console) -> Iterator[rich.table.Table]:
        for table in super().__rich_console__(*console):
            for column in table.columns:
                column.overflow = "fold"
            table.columns[0].no_wrap = True
            yield table


class _Markdown(rich.markdown.Markdown):
    elements = rich.markdown.Markdown.elements | {"table_open": _Table}


def print_evaluation(report: Mapping) -> None:
    """Prints every table of an `evaluate_folder` report, and what could not be read."""
    wide = None if sys.stdout.isatty() else _WIDE
    console = rich.console.Console(width=wide, highlight=False, markup=False)
    console.print(_Markdown(render(_TEMPLATE, report=report, findings=list(FINDINGS))))
    for film in report["unreadable"]:
        console.print(f"left out {film['name']}: {film['reason']} [{film['code']}]")
