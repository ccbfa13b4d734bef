"""The PACS that gets the results, by DIMSE or by DICOMweb."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fracture.node.config import NodeConfig
    from fracture.node.pacs.pacs import Pacs


def connect(config: NodeConfig) -> Pacs:
    """The PACS that a node is configured for; nothing is sent yet.

    Raises:
        NodeError: `tls_unusable`.
    """
    if config.pacs.url:
        from fracture.node.pacs.dicomweb import WebPacs

        return WebPacs(config)
    from fracture.node.pacs.dimse import DimsePacs

    return DimsePacs(config)
