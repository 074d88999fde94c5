"""Options of the server, and its fixed limits."""

import dataclasses
import ipaddress
from pathlib import Path
from typing import Final

from ...plugins.errors import ContractError

CHUNK_SECONDS: Final = 30.0  # between two pieces of a body
BODY_SECONDS: Final = 120.0  # for the whole body
STOP_SECONDS: Final = 5  # for running repairs when the server stops
CONNECTIONS: Final = 64
TOKEN_BYTES: Final = 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebOptions:
    """Options of the server: its address, its clients, its load."""

    host: str = "127.0.0.1"  # address to listen on; one that is not loopback needs a token
    port: int = 8080  # to listen on
    max_upload: int = 64  # MiB of one request's body
    queue: int = 8  # waiting repairs; one more is answered 503
    deadline: float = 300.0  # seconds from a request's admission to its end
    token: str | None = None  # of "Authorization: Bearer TOKEN"; None requires none
    allow_hosts: tuple[str, ...] = ()  # host names beside localhost and IP addresses
    certificate: Path | None = None  # PEM file for TLS; None serves plain HTTP
    key: Path | None = None  # PEM file of its private key; None if the certificate's file holds it

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("port", self.port, 0, 65535),
            ("max-upload", self.max_upload, 1, 1024),
            ("queue", self.queue, 0, 1000),
            ("deadline", self.deadline, 1, 86400),
        ):
            if not low <= value <= high:
                raise ContractError(f"{name} must be {low} to {high}; got {value}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ContractError("a token must be printable ASCII text")
        if self.token is not None and len(self.token) < 8:
            raise ContractError(f"a token must have at least 8 letters; got {len(self.token)}")
        if self.key is not None and self.certificate is None:
            raise ContractError("a key needs its certificate\nAdd --certificate FILE.")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_bytes(self) -> int:
        """Bytes of one request's body."""
        return self.max_upload << 20
