"""Who the node is, and whom it believes, on an encrypted line."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import BaseModel

from fracture.node import NodeError


class Tls(BaseModel, extra="forbid", frozen=True):
    """Certificates in PEM; what is not named is not asked for."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def server(self) -> ssl.SSLContext:
        """For those who call; with an authority they must show a certificate of it.

        Raises:
            NodeError: `tls_unusable`.
        """
        context = self._loaded(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        if self.authority:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> ssl.SSLContext:
        """For the PACS, whose certificate must be of the authority and its name.

        Raises:
            NodeError: `tls_unusable`.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.authority:
            context.load_default_certs()
        return self._loaded(context)

    def _loaded(self, context: ssl.SSLContext) -> ssl.SSLContext:
        try:
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
            if self.authority:
                context.load_verify_locations(self.authority)
        except OSError as error:
            message = f"The TLS files cannot be used: {error.strerror or error}"
            raise NodeError("tls_unusable", message) from None
        return context
