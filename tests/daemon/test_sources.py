"""Where the arguments of dockerd are, as systemd has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import sources, units
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from pathlib import Path


def test_removed_drop_in_needs_a_reload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemd names it until then."""
    unit, drop_in = tmp_path / "docker.service", tmp_path / "removed.conf"
    unit.write_text("[Service]\nExecStart=/usr/bin/dockerd\n")
    command = ["/usr/bin/dockerd"]
    answers: dict[str, tuple[Any, ...]] = {
        "Unit": (str(unit), [str(drop_in)]),
        "Service": ([["/usr/bin/dockerd", command]], [], []),
    }
    monkeypatch.setattr(systemd, "properties", lambda _, interface, *__: answers[interface])
    with pytest.raises(ConfigurationError, match=rf"{drop_in} was removed") as caught:
        sources.read({})
    assert "systemctl daemon-reload" in caught.value.hint
    drop_in.touch()
    (found,) = sources.read({})
    assert (found.path, found.line) == (unit, 2)


@pytest.mark.parametrize(
    ("text", "opens"), [("-H fd:// -H tcp://:2375", True), ("-H fd://", False)]
)
def test_edit_of_ours_counts_before_systemd_reads_it(
    text: str, opens: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set-up, or a removal, was killed before; of others, it cannot be edited then."""
    unit, stale = tmp_path / "docker.service", "-H fd://" if opens else "-H fd:// -H tcp://:2375"
    unit.write_text(f"[Service]\nExecStart=/usr/bin/dockerd {text}\n")
    answers: dict[str, tuple[Any, ...]] = {
        "Unit": (str(unit), []),
        "Service": ([["/usr/bin/dockerd", ["/usr/bin/dockerd", *stale.split()]]], [], []),
    }
    monkeypatch.setattr(systemd, "properties", lambda _, interface, *__: answers[interface])
    (found,) = sources.read({unit: (b"another", unit.read_bytes())})
    flags = [flag.value for flag, _ in found.arguments()]
    assert (flags, found.fixed) == (["fd://", "tcp://:2375"] if opens else ["fd://"], "")
    (found,) = sources.read({unit: (b"another",)})
    assert "edited since" in found.fixed


def test_variable_of_ours_counts_before_systemd_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a drop-in of others gives it another value."""
    unit, later = tmp_path / "docker.service", tmp_path / "later.conf"
    unit.write_text(
        "[Service]\nExecStart=/usr/bin/dockerd $A $B\n"
        "Environment='A=-H fd://' 'B=-D'\nEnvironment=C=x\n"
    )
    later.write_text("[Service]\nEnvironment=B=--tls\n")
    variables = ["A=-H fd:// -H tcp://:2375", "B=--tls"]
    command = ["/usr/bin/dockerd", ["/usr/bin/dockerd", "$A", "$B"]]
    answers: dict[str, tuple[Any, ...]] = {
        "Unit": (str(unit), [str(later)]),
        "Service": ([command], variables, []),
    }
    monkeypatch.setattr(systemd, "properties", lambda _, interface, *__: answers[interface])

    def flags(ours: bytes) -> list[str]:
        found = sources.read({unit: (ours,)})
        return [" ".join(flag.words) for each in found for flag, _ in each.arguments()]

    assert flags(unit.read_bytes()) == ["-H fd://", "--tls"]
    assert flags(b"another") == ["-H fd://", "-H tcp://:2375", "--tls"]


def test_variable_that_no_file_sets_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was removed, and systemd has not read the file since."""
    unit = tmp_path / "docker.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/dockerd $A\nEnvironment='B=--tls'\n")
    command = ["/usr/bin/dockerd", ["/usr/bin/dockerd", "$A"]]
    answers: dict[str, tuple[Any, ...]] = {
        "Unit": (str(unit), []),
        "Service": ([command], ["A=--tls"], []),
    }
    monkeypatch.setattr(systemd, "properties", lambda _, interface, *__: answers[interface])
    with pytest.raises(ConfigurationError, match=r"no Environment= in .* has A"):
        sources.read({})


def test_drop_in_of_ours_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal was killed before systemd was reloaded."""
    unit = tmp_path / "docker.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/dockerd\n")
    monkeypatch.setattr(systemd, "UNITS", tmp_path)
    answers: dict[str, tuple[Any, ...]] = {
        "Unit": (str(unit), [str(tmp_path / units.DROP_IN)]),
        "Service": ([["/usr/bin/dockerd", ["/usr/bin/dockerd"]]], [], []),
    }
    monkeypatch.setattr(systemd, "properties", lambda _, interface, *__: answers[interface])
    assert [found.path for found in sources.read({})] == [unit]
