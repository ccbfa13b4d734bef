"""The command line: `python -m fracture COMMAND`, or `fracture COMMAND` installed.

Commands import what they need when they run: serving ones neither keras nor tensorflow.
"""

from __future__ import annotations

import typer

app = typer.Typer(
    name="fracture",
    help="Bone-fracture classifier for radiographs. Research software, not a medical "
    "device.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Holds the commands together."""


if __name__ == "__main__":
    app(prog_name="python -m fracture")
