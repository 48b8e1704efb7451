"""The generations of a credential, each described by its certificate; nothing here changes any."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import (
    Description,
    describe,
    fingerprint,
    load_certificates,
    public_key_fingerprint,
)
from dockertls_vault.certificate.keys import is_key_of
from dockertls_vault.errors import ConflictingState, DockerTLSError, VerificationError
from dockertls_vault.files import reading

from . import generations, glance, record
from .layout import Kind, Layout, Placement
from .naming import GENERATION_NAMES, PRIVATE
from .reader import locate
from .worker import by_worker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.request import Purpose


@dataclass(frozen=True)
class Generation:
    """One generation; its name begins with the time of its creation.

    ``public_key_fingerprint_sha256`` is the digest of the public key (SubjectPublicKeyInfo, DER).
    A generation with a ``problem`` is unusable, and may have no certificate to describe.
    """

    name: str
    in_use: bool
    certificate: Description | None
    public_key_fingerprint_sha256: str | None
    problem: str | None


@dataclass(frozen=True)
class Generations:
    """The generations in a directory, newest first."""

    directory: Path
    purpose: Purpose
    layout: Layout
    generations: tuple[Generation, ...]

    @property
    def kind(self) -> Kind:
        """Which files the credential has."""
        return Kind(self.purpose, self.layout)

    @property
    def name_in_use(self) -> str | None:
        """The name of the generation in use, if there is one."""
        return next((each.name for each in self.generations if each.in_use), None)


def find(directory: Path) -> Generations:
    """Return the generations in ``directory``, or in its subdirectory of the layout dind.

    Raises ConflictingState if there is no credential of dockertls-vault.
    """
    try:
        return by_worker(locate(directory), read)
    except OSError as error:
        raise ConflictingState(
            f"the generations in {directory} cannot be read: {error.strerror}"
        ) from None


def read(place: Placement) -> Generations:
    """Return the generations of a credential; raises ConflictingState if it has no record."""
    kind = _kind(place.directory)
    private = place.directory / PRIVATE
    with (
        reading.opened(str(private)) as opened,
        reading.opened(generations.DIRECTORY, opened) as within,
    ):
        names, used = generations.names(within), generations.in_use(opened, within)
    return Generations(
        directory=place.directory,
        purpose=kind.purpose,
        layout=kind.layout,
        generations=tuple(_described(path_of(place, name), is_used=name == used) for name in names),
    )


def holder(directories: Iterable[Path], certificate: Certificate) -> Path | None:
    """Return the first directory with this certificate in a generation, in use or not."""
    wanted = fingerprint(certificate)
    for directory in directories:
        with suppress(DockerTLSError):
            described = (each.certificate for each in find(directory).generations)
            if any(each and each.fingerprint_sha256 == wanted for each in described):
                return directory
    return None


def path_of(place: Placement, name: str) -> Path:
    """Return the directory of the generation ``name``."""
    return place.directory / PRIVATE / generations.DIRECTORY / name


def require_usable(generation: Generation, place: Placement) -> None:
    """Raise ConflictingState unless the generation is complete and its key matches."""
    problem = generation.problem or _defect(path_of(place, generation.name))
    if problem is not None:
        raise ConflictingState(
            f"the generation {generation.name} cannot be used: {problem}",
            hint="choose another generation",
        )


def _kind(directory: Path) -> Kind:
    with reading.opened(str(directory.resolve())) as opened:
        found = record.read(directory, opened)
    if found is None:
        raise glance.without_request(directory)
    return found.kind


def _described(path: Path, *, is_used: bool) -> Generation:
    leaf = None
    try:
        with os.scandir(path) as entries:
            there = {entry.name for entry in entries if entry.is_file()}
        missing = [name for name in GENERATION_NAMES if name not in there]
        problem = f"it lacks {', '.join(missing)}" if missing else None
    except OSError as error:  # not a directory, or an unreadable one; the others are still listed
        problem = f"cannot be read: {error.strerror}"
    else:
        try:
            leaf, *_ = load_certificates(reading.read(path / "cert.pem"))
        except (OSError, ValueError, VerificationError):
            problem = problem or "cert.pem cannot be read"
    return Generation(
        name=path.name,
        in_use=is_used,
        certificate=None if leaf is None else describe(leaf),
        public_key_fingerprint_sha256=None if leaf is None else public_key_fingerprint(leaf),
        problem=problem,
    )


def _defect(path: Path) -> str | None:
    """Return what makes a generation unusable that has all its files, if anything does."""
    try:
        load_certificates(reading.read(path / "ca.pem"))
        leaf, *_ = load_certificates(reading.read(path / "cert.pem"))
        if not is_key_of(reading.read(path / "key.pem"), leaf):
            return "its key does not match the certificate"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    except (ValueError, VerificationError) as error:
        return f"it is corrupt: {error}"
    return None
