"""The command line: `python -m fracture COMMAND`, or `fracture COMMAND` installed.

Commands import what they need when they run: serving ones neither keras nor tensorflow.
"""

from __future__ import annotations

import os

import typer

from fracture.commands.audit import audit
from fracture.commands.engines import engines
from fracture.commands.evaluate import evaluate
from fracture.commands.export import export
from fracture.commands.hub import info, pull, push
from fracture.commands.leak import leak
from fracture.commands.node import app as node
from fracture.commands.predict import predict
from fracture.commands.site import site

app = typer.Typer(
    name="fracture",
    help="Bone-fracture classifier for radiographs. Research software, not a medical "
    "device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, which keeps its paragraphs
)


@app.callback()
def main() -> None:
    """Holds the commands together."""
    # Asked when numpy is imported. Its other threads would spin for a while after each
    # product of matrices and take a core from the engine and the readers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


for command in (
    *(predict, evaluate, audit, leak, engines),
    *(info, pull, push, export, site),
):
    app.command()(command)
app.add_typer(node, name="node")


if __name__ == "__main__":
    app(prog_name="python -m fracture")
