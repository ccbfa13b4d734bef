"""Whether a node could work as it is configured, each part by itself."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

from fracture.hub import resolve
from fracture.node import NodeError
from fracture.node.config import NodeConfig
from fracture.node.pacs import connect
from fracture.node.pacs.pacs import Refused, Unreachable
from fracture.node.spool import Spool
from fracture.weights import WeightsConfig, WeightsError

_WORDS = {
    "pacs_rejects_titles": "it rejects the association: does it know both AE titles?",
    "pacs_unreachable": "nothing answers there: host, port, TLS?",
    "pacs_silent": "it accepts the association and then says nothing",
}


def check(config: NodeConfig) -> Iterator[tuple[str, bool, str]]:
    """Tries every part.

    Yields:
        What was tried, whether it is well, and what was found.
    """
    parts: dict[str, Callable[[NodeConfig], str]] = {
        "spool": _spool,
        "weights": _weights,
        "port": _port,
        "metrics port": _metrics_port,
        "tls": _tls,
        "pacs": _pacs,
    }
    for name, part in parts.items():
        try:
            yield name, True, part(config)
        except (NodeError, WeightsError) as error:
            yield name, False, f"{error.message} [{error.code}]"
        except OSError as error:
            yield name, False, error.strerror or str(error)
        except (Unreachable, Refused) as error:
            status = getattr(error, "status", 0)
            words = _WORDS.get(error.code, f"it answers {status:#06x}")
            yield name, False, f"{words} [{error.code}]"


def _spool(config: NodeConfig) -> str:
    spool = Spool(config.spool)
    spool.put("tmp", "check", b"")
    spool.remove("tmp", "check")
    free, least = spool.free_bytes() // 2**20, config.limits.free_megabytes
    if free < least:
        message = f"{free} MiB free where {least} are to stay free"
        raise NodeError("disk_watermark", message)
    return f"{config.spool}, {free} MiB free"


def _weights(config: NodeConfig) -> str:
    return WeightsConfig.load(resolve(config.weights)).model_version


def _port(config: NodeConfig) -> str:
    listen = config.listen
    return f"{listen.aet}, {_free(listen.host, listen.port)}"


def _metrics_port(config: NodeConfig) -> str:
    operation = config.operation
    return _free(operation.host, operation.port) if operation.port else "off"


def _free(host: str, port: int) -> str:
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((host, port))
    return f"{host}:{port} is free"


def _tls(config: NodeConfig) -> str:
    if config.listen.tls:
        config.listen.tls.server()
    if config.pacs.tls:
        config.pacs.tls.client()
    sides = [("callers", config.listen.tls), ("the PACS", config.pacs.tls)]
    return ", ".join(f"with {who}" for who, tls in sides if tls) or "off"


def _pacs(config: NodeConfig) -> str:
    pacs = connect(config)
    try:
        pacs.echo()
    finally:
        pacs.close()
    where = config.pacs.url or f"{config.pacs.aet}@{config.pacs.host}"
    return f"{where} answers"
