"""Output preferences: format and verbosity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockertls_vault.errors import DockerTLSError


class Output(StrEnum):
    """The format of a result."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Preferences:
    """The output format and verbosity that the user chose."""

    output: Output = Output.TABLE
    quiet: bool = False
    verbose: bool = False


class Failed(Exception):
    """Raised when a command fails: its error, and how the user wants it reported."""

    def __init__(self, error: DockerTLSError, preferences: Preferences) -> None:
        super().__init__(error.message)
        self.error = error
        self.preferences = preferences
