"""The names and modes of a credential's files."""

from __future__ import annotations

from .generations import CURRENT

PRIVATE = ".dockertls"
REQUEST = "request.json"
LOCK = "lock"
NARROWED = "narrowed"
RENEWAL_LOCK = "renewal.lock"
CERTIFICATE_MODE = 0o444
KEY_MODE = 0o400
KEY_MODE_WITH_GROUP = 0o440
GENERATION_NAMES = ("ca.pem", "cert.pem", "key.pem")
SERVER_NAMES = ("ca.pem", "server-cert.pem", "server-key.pem")

Names = tuple[str, str, str]


def public_names(purpose: str, layout: str) -> Names:
    """Return the public names of the CA bundle, certificate and key, as in GENERATION_NAMES.

    Raises ValueError for a purpose or a layout that does not exist.
    """
    match purpose, layout:
        case "server", "docker":
            return SERVER_NAMES
        case ("client", "docker") | ("server" | "client", "dind"):
            return GENERATION_NAMES
    raise ValueError((purpose, layout))


def links(names: Names) -> tuple[tuple[str, str], ...]:
    """Return each public name with the target of its symlink."""
    return tuple(zip(names, map(link, GENERATION_NAMES), strict=True))


def link(name: str) -> str:
    """Return the target of the public symlink to the file ``name`` in the current generation."""
    return f"{PRIVATE}/{CURRENT}/{name}"
