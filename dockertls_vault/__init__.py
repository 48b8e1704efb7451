"""Short-lived TLS certificates for Docker daemons and their clients, from Vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    """Return ``__version__`` from the package metadata, read lazily to keep start-up fast.

    Raises PackageNotFoundError if the package is not installed.
    """
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("dockertls-vault")
