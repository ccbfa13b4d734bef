"""`node`: the DICOM node and what goes with it."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracture.commands.options import UNREADABLE, Weights, extra, fail, told

if TYPE_CHECKING:
    from fracture.node.config import NodeConfig

app = typer.Typer(
    help="A DICOM node: films come in, results go back to the PACS.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The node's TOML file.", exists=True)
]


@app.callback(invoke_without_command=True)
def node(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A TOML file; other options win over it."),
    ] = None,
    aet: Annotated[
        str | None, typer.Option(help="Its AE title. Default: FRACTURE.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: all.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on. Default: 11112.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="AET@HOST:PORT|URL", help="The PACS, by DIMSE or by DICOMweb."
        ),
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where films and results wait."),
    ] = None,
    weights: Weights = "",
    secondary_capture: Annotated[
        bool, typer.Option("--secondary-capture", help="Judge SC images of films, too.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Of /metrics and /healthz; 0: none. Default: 9112."),
    ] = None,
) -> None:
    """Takes films by C-STORE, judges them, and sends SR and picture back to the PACS.

    A film is safe on disk before its sender is told so. Folders under the spool are the
    queue; a kill loses nothing. SIGTERM and Ctrl-C end it when what runs is done.

    \b
    Examples:
      fracture node --port 11112 --to ORTHANC@127.0.0.1:4242 --spool spool/
      fracture node --config node.toml
      fracture node check node.toml
    """
    if context.invoked_subcommand:
        return
    flags = {
        "spool": spool and str(spool.absolute()),
        "weights": weights,
        "listen.aet": aet,
        "listen.host": host,
        "listen.port": port,
        "films.secondary_capture": secondary_capture or None,
        "operation.port": metrics_port,
    }
    with _told():
        _run(_configured(config, flags, to))


def _configured(file: Path | None, flags: dict, to: str | None) -> NodeConfig:
    from fracture.node.config import NodeConfig

    values = NodeConfig.load(file).model_dump(exclude_unset=True) if file else {}
    for name, value in flags.items():
        if value not in (None, ""):
            table, _, key = name.rpartition(".")
            (values.setdefault(table, {}) if table else values)[key] = value
    if to:
        values["pacs"] = _pacs(to)
    return NodeConfig.of(values)


def _pacs(text: str) -> dict:
    if re.match("https?://", text):
        return {"url": text}
    found = re.fullmatch(r"(?P<aet>[^@]+)@(?P<host>[^@]+):(?P<port>\d+)", text)
    if not found:
        raise typer.BadParameter("--to is AET@HOST:PORT or an address of DICOMweb")
    return {**found.groupdict(), "port": int(found["port"])}


def _run(config: NodeConfig) -> None:
    from fracture.classifier import FractureClassifier
    from fracture.node.node import Node
    from fracture.node.telemetry import Telemetry

    classifier = FractureClassifier.from_pretrained(config.weights, threads=1)
    work = Node(config, classifier, Telemetry())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: work.stop.set())
    work.run()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a node cannot do ends the command with the reason and its code."""
    with told(), extra("node", "pacs"):
        from fracture.node import NodeError
        from fracture.node.pacs.pacs import Unreachable

        try:
            yield
        except NodeError as error:
            fail(f"{error} [{error.code}]")
        except Unreachable as error:
            fail(f"the PACS does not answer [{error.code}]")


@app.command()
def check(file: File) -> None:
    """Tries a configuration: spool, disk, weights, ports, TLS, and C-ECHO to the PACS.

    The node itself should not run: it holds the ports. Exit code 1 if anything fails.
    """
    with _told():
        from fracture.node.check import check as try_all
        from fracture.node.config import NodeConfig
        from fracture.node.telemetry import hush

        hush()
        well = True
        for name, passed, found in try_all(NodeConfig.load(file)):
            typer.echo(f"{'ok  ' if passed else 'FAIL'} {name:13} {found}")
            well = well and passed
    if not well:
        raise typer.Exit(UNREADABLE)


@app.command()
def status(
    spool: Annotated[Path, typer.Argument(metavar="SPOOL", file_okay=False)],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Counts what waits in a spool, and what was set aside, by reason."""
    with _told():
        from fracture.node.spool import Spool

        if not (spool / "in").is_dir():
            fail(f"{spool} is no spool of a node [spool_unusable]")
        found = Spool(spool).state()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {n}" for key, n in value.items()) or "nothing"
        typer.echo(f"{name:22} {value}")


@app.command()
def reconcile(
    file: File,
    days: Annotated[int, typer.Option(min=1, help="How far back, by study date.")] = 2,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Count, fetch nothing.")
    ] = False,
) -> None:
    """Asks the PACS which films lack a result, and has those judged again.

    A PACS with DICOMweb hands the films over; else they are asked for by C-MOVE, and
    the node has to run. Run it from time to time: a PACS may say "success" and lose a
    result, or never have sent the film.
    """
    with _told():
        from fracture.hub import resolve
        from fracture.node.config import NodeConfig
        from fracture.node.pacs import connect
        from fracture.node.reconcile import Reconciliation
        from fracture.node.spool import Spool
        from fracture.node.telemetry import hush
        from fracture.weights import WeightsConfig

        hush()
        config = NodeConfig.load(file)
        version = WeightsConfig.load(resolve(config.weights)).model_version
        pacs = connect(config)
        start = time.monotonic()
        counts = Reconciliation(config, pacs, version).run(
            Spool(config.spool), days, dry
        )
        pacs.close()
    for name, count in sorted(counts.items()):
        typer.echo(f"{name:18} {count}")
    typer.echo(f"{counts.total()} films in {time.monotonic() - start:.1f} s")
