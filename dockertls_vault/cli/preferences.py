"""How a command talks to its user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockertls_vault.errors import DockerTLSError


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Preferences:
    """How to talk to the user."""

    output: Output = Output.TABLE
    quiet: bool = False
    verbose: bool = False


class Failed(Exception):
    """A command failed with ``error``, which its user wants to be told in a certain way."""

    def __init__(self, error: DockerTLSError, preferences: Preferences) -> None:
        super().__init__(error.message)
        self.error = error
        self.preferences = preferences
