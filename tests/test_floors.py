"""The oldest versions that pyproject.toml allows are those that `make test-oldest` installs."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = ROOT / "constraints-oldest.txt"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def in_group(name: str) -> Iterator[str]:
    """Yield the requirements of a dependency group, including those of groups it includes."""
    for entry in PYPROJECT["dependency-groups"][name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from in_group(entry["include-group"])


def asked() -> Iterator[Requirement]:
    """Yield the requirements to build, to run and to test."""
    project: dict[str, Any] = PYPROJECT["project"]
    extras = (entry for extra in project["optional-dependencies"].values() for entry in extra)
    for entry in (
        *PYPROJECT["build-system"]["requires"],
        *project["dependencies"],
        *extras,
        *in_group("test"),
    ):
        yield Requirement(entry)


@pytest.mark.parametrize("requirement", list(asked()), ids=str)
def test_oldest_allowed_version_is_tested(requirement: Requirement) -> None:
    """An untested lower bound is a guess."""
    pins = map(Requirement, _lines(OLDEST.read_text()))
    tested = {canonicalize_name(pin.name): _version(pin, "==") for pin in pins}
    assert _version(requirement, ">=") == tested[canonicalize_name(requirement.name)], (
        f"run the command at the top of {OLDEST.name}, and `make test-oldest`"
    )


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def _version(requirement: Requirement, operator: str) -> Version:
    (version,) = (it.version for it in requirement.specifier if it.operator == operator)
    return Version(version)
