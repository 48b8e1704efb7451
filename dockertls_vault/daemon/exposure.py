"""Find the keys beside the TLS files of a dockerd, and who can access them."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.errors import DockerTLSError
from dockertls_vault.files import acl, walk
from dockertls_vault.files.descriptors import opened
from dockertls_vault.files.writers import Writer, untrusted_readers, untrusted_writers, user_name

from .examination.keys import Access, is_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockertls_vault.files.walk import Component
    from dockertls_vault.files.writers import Trust

_MOST = 1000  # names in a directory; a directory of credentials has a handful
# Beside docker:dind's "server".
_BESIDE = ("ca", "client")


@dataclass(frozen=True)
class Exposure:
    """The ``keys`` and the directories on their paths, with the others who can access them.

    ``settings`` are the files with settings of dockerd that others can write to; ``unknown`` are
    the paths that could not be examined, each with the reason.
    """

    keys: tuple[Access, ...]
    directories: tuple[Access, ...]
    settings: tuple[Access, ...]
    unknown: tuple[str, ...]


def examine(
    key: Path | None, files: Sequence[Path], settings: Sequence[Path], trust: Trust
) -> Exposure:
    """Examine ``key`` and what is named like a key in the directories of ``files``, and settings.

    ``settings`` are the files with settings of dockerd. Those in ``trust`` may access them.
    """
    folders = dict.fromkeys(_folders(path.parent for path in files))
    unknown: list[str] = []
    candidates = [] if key is None else [key]
    for folder in folders:
        with _noting(folder, unknown):
            candidates += sorted(_keys_in(folder))
    found: dict[tuple[int, int], Access] = {}
    for path in candidates:
        with _noting(path, unknown), opened(path, walk.PATH_ONLY) as descriptor:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                readers = untrusted_readers(status, acl.entries(descriptor), trust)
                found.setdefault((status.st_dev, status.st_ino), Access(path, readers))
    # Where a link leads to counts as well as where it is.
    beyond = (Path(os.path.realpath(access.path)).parent for access in found.values())
    written = dict.fromkeys(path.parent for each in settings for path in (each, each.resolve()))
    directories = _directories([*folders, *beyond, *written], trust)
    writable = tuple(_writable(settings, trust, unknown))
    return Exposure(tuple(found.values()), tuple(directories), writable, tuple(unknown))


def _writable(files: Iterable[Path], trust: Trust, unknown: list[str]) -> Iterator[Access]:
    """Yield each file that others can write to; its owner always can (chmod)."""
    for path in files:
        with _noting(path, unknown), opened(path, walk.PATH_ONLY) as descriptor:
            status = os.fstat(descriptor)
            others = list(untrusted_writers(status, acl.entries(descriptor), trust))
            if status.st_uid not in trust.users:
                others.insert(0, Writer(user_name(status.st_uid), "chown root"))
            if others:
                yield Access(path, tuple(others))


@contextmanager
def _noting(path: Path, unknown: list[str]) -> Iterator[None]:
    """Note in ``unknown`` why a path cannot be examined; a missing one need not be."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        pass
    except PermissionError:
        unknown.append(f"needs root: {path}")
    except OSError as error:
        unknown.append(f"{path}: {error.strerror}")
    except DockerTLSError as error:
        unknown.append(f"{path}: {error.message}")


def _folders(named: Iterable[Path]) -> Iterator[Path]:
    for folder in named:
        yield folder
        if folder.name == "server":
            yield from (folder.parent / name for name in _BESIDE)


def _keys_in(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for _, entry in zip(range(_MOST), entries, strict=False):
            if is_key(path := folder / entry.name):
                yield path


def _directories(folders: Iterable[Path], trust: Trust) -> Iterator[Access]:
    """Yield each directory on the way to ``folders`` in which untrusted users can write.

    In one with the sticky bit, such as /tmp, they cannot replace the files of others.
    """
    seen: dict[Path, Access] = {}

    def check(component: Component) -> None:
        if component.descriptor is None or component.status.st_mode & stat.S_ISVTX:
            return
        entries = acl.entries(component.descriptor)
        if writers := untrusted_writers(component.status, entries, trust):
            seen.setdefault(component.path, Access(component.path, writers))

    for folder in dict.fromkeys(folders):
        try:
            with walk.open_directory(folder, check):
                pass
        except (OSError, DockerTLSError):
            continue
    yield from seen.values()
