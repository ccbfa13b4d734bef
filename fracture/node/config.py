"""What a node may be told: one TOML file, each value checked before anything starts."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    model_validator,
)

from fracture.node import NodeError
from fracture.node.tls import Tls
from fracture.radiograph.dicom import MODALITIES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Defined terms of limbs (PS3.16 annex L), and what vendors write for them.
# fmt: off
LIMBS = [
    "ACETABULUM", "ANKLE", "ACJOINT", "AC JOINT", "ARM", "CALCANEUS", "CLAVICLE",
    "ELBOW", "EXTREMITY", "FEMUR", "FIBULA", "FINGER", "FOOT", "FOREARM", "HAND",
    "HEEL", "HIP", "HUMERUS", "JOINT", "KNEE", "LEG", "LOWERLEG", "LOWER LEG",
    "LOWER LIMB", "PATELLA", "RADIUS", "RADIUSULNA", "SCAPULA", "SHOULDER", "THIGH",
    "THUMB", "TIBIA", "TIBIAFIBULA", "TOE", "ULNA", "UPPERARM", "UPPER ARM",
    "UPPER LIMB", "WRIST",
]
# fmt: on


def _title(text: str) -> str:
    """An AE value (PS3.5 6.2): 16 characters, neither backslash nor control."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", text) or not text.strip():
        raise ValueError("an AE title has 1 to 16 ASCII characters and no backslash")
    return text.strip()


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Title = Annotated[str, AfterValidator(_title)]
Port = Annotated[int, Field(ge=1, le=65535)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Table):
    """Where and as what the node takes films."""

    aet: Title = "FRACTURE"
    host: str = "0.0.0.0"
    port: Port = 11112
    tls: Tls | None = None

    @model_validator(mode="after")
    def _with_certificate(self) -> Listen:
        if self.tls and not self.tls.certificate:
            raise ValueError("tls needs a certificate (and a key, if it holds none)")
        return self


class Allow(_Table):
    """Who may call; empty lists admit everybody."""

    calling: list[Title] = []
    addresses: list[IPvAnyNetwork] = []

    def admits(self, address: str) -> bool:
        """Whether a numeric address may connect."""
        found = ipaddress.ip_address(address.partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        networks = self.addresses
        return not networks or any(found in network for network in networks)


class Pacs(_Table):
    """The PACS that gets the results: by DIMSE, or by DICOMweb where `url` is set."""

    aet: Title = "PACS"
    host: str = ""
    port: Port = 104
    tls: Tls | None = None
    url: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _one_way(self) -> Pacs:
        if bool(self.host) == bool(self.url):
            raise ValueError("name either host (DIMSE) or url (DICOMweb)")
        return self


class Films(_Table):
    """Which films are judged."""

    modalities: list[Literal[MODALITIES]] = list(MODALITIES)  # type: ignore[valid-type]
    secondary_capture: bool = False
    body_parts: list[str] = LIMBS
    unnamed_body_part: bool = True
    series_description: Pattern = ""
    only_unanswered: bool = False


class Results(_Table):
    """What goes back."""

    kinds: list[Literal["sr", "sc"]] = Field(default=["sr", "sc"], min_length=1)
    study_quiet_seconds: float = Field(default=60, ge=0, le=86400)


class Limits(_Table):
    """What the node takes on at most."""

    associations: int = Field(default=8, ge=1, le=100)
    film_megabytes: int = Field(default=64, ge=1, le=1024)
    free_megabytes: int = Field(default=2048, ge=0)
    network_seconds: float = Field(default=30, gt=0, le=600)
    jobs: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64)
    reader_seconds: float = Field(default=10, gt=0, le=600)
    reader_megabytes: int = Field(default=1024, ge=256)


class Retention(_Table):
    """How long what is not needed any more is kept."""

    failed_days: float = Field(default=30, gt=0)
    answered_days: float = Field(default=30, gt=0)
    views_hours: float = Field(default=24, gt=0)


class Operation(_Table):
    """Where `/metrics` and `/healthz` are; port 0 switches them off."""

    host: str = "127.0.0.1"
    port: int = Field(default=9112, ge=0, le=65535)


class NodeConfig(_Table):
    """A node; relative paths are relative to the file they stand in."""

    spool: Path
    weights: str = "weights"
    pacs: Pacs
    listen: Listen = Listen()
    allow: Allow = Allow()
    films: Films = Films()
    results: Results = Results()
    limits: Limits = Limits()
    retention: Retention = Retention()
    operation: Operation = Operation()

    @classmethod
    def load(cls, path: Path) -> NodeConfig:
        """Reads a TOML file.

        Raises:
            NodeError: `config_unreadable`, `config_invalid`.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            message = f"{path} cannot be read: {reason}"
            raise NodeError("config_unreadable", message) from None
        return cls.of(values, path.parent)

    @classmethod
    def of(cls, values: dict[str, Any], folder: Path = Path()) -> NodeConfig:
        """Checks values as a TOML file holds them.

        Raises:
            NodeError: `config_invalid`, with every value that cannot be.
        """
        try:
            return cls.model_validate(_settled(values, folder))
        except ValidationError as error:
            wrong = [
                f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
                for found in error.errors(include_url=False, include_input=False)
            ]
            raise NodeError("config_invalid", "; ".join(wrong)) from None


def _settled(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Values whose paths are no longer relative to where they were written."""
    settled = dict(values)
    for key, value in values.items():
        if isinstance(value, dict):
            settled[key] = _settled(value, folder)
        elif key in ("spool", "certificate", "key", "authority") and value:
            settled[key] = folder / str(value)
        elif key == "weights" and (folder / str(value)).exists():
            settled[key] = str(folder / str(value))
    return settled
