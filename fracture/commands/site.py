"""`site`: the page that needs no server of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import Weights, told


def site(
    out: Annotated[Path, typer.Argument(help="A new folder, or an earlier site.")],
    weights: Weights = "weights",
    compress: Annotated[
        bool,
        typer.Option(
            "--compress", help="Also .gz and .br files, for hosts that send those."
        ),
    ] = False,
) -> None:
    """Writes the page that judges films in its visitor's browser, for any static host.

    No film leaves the visitor's device. The page is built first, in a clone, which
    takes Node 20 or later: cd web && npm ci && npm run build

    \b
    Examples:
      fracture site public/
      fracture site public/ -w me/fracture@v0.2.0
    """
    from fracture.publishing.site import write_site

    with told():
        files = write_site(Path(), weights, out, compress)
    size = sum(path.stat().st_size for path in files) / 1e6
    typer.echo(f"wrote {len(files)} files with {weights} to {out}, {size:.1f} MB")
    typer.echo(f"serve them: python -m http.server 8000 --directory {out}")
