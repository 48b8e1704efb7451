"""What keeps a dockerd from starting is found before it is started."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import configuration, startup
from dockertls_vault.daemon.supervision import Supervision
from tests.certificates import Authority, write_credential

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.docker.diagnosis.report import CheckResult


def judge(file: Path, program: Path | None = None, seconds: float = 30) -> CheckResult:
    """Judge ``file``, a daemon.json, alone or with the program that docker.service starts."""
    command = (str(program), "--config-file", str(file))
    service = Supervision(pid=None, command=command, streams=(), is_stale=False)
    planned = configuration.read(["--config-file", str(file)], None)
    found, clash = startup.judge(planned, service if program else None, timedelta(seconds=seconds))
    assert clash.result == "ok"
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tls: tls.chmod(0o700), ""),
        (lambda tls: (tls / "cert.pem").unlink(), "tlscert: "),
        (lambda tls: (tls / "key.pem").unlink(), "tlskey: "),
        (lambda tls: (tls / "ca.pem").write_text(""), "tlscacert: "),
        (lambda tls: (tls / "other.pem").replace(tls / "key.pem"), "is not the key of"),
    ],
)
def test_tls_files_are_read(tmp_path: Path, change: Callable[[Path], object], words: str) -> None:
    """Each that daemon.json names, and the key must fit; without tlsverify, dockerd reads no CA."""
    authority = Authority.create("root")
    write_credential(tmp_path, authority.pem, authority.server())
    (tmp_path / "other.pem").write_bytes(authority.server().key_pem)
    change(tmp_path)
    paths = {f"tls{name}": str(tmp_path / f"{name}.pem") for name in ("cert", "key")}
    paths["tlscacert"] = str(tmp_path / "ca.pem")
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps({"tls": True, **paths}))
    assert judge(file).result == ("ok" if words in {"", "tlscacert: "} else "error")
    file.write_text(json.dumps({"tlsverify": True, **paths}))
    found = judge(file)
    assert found.result == ("error" if words else "ok")
    assert words in found.summary
    assert not words or "issue server" in (found.remedy or "")
    file.write_text(json.dumps(paths))
    assert judge(file).result == "ok"


def test_tls_without_files_is_an_error(tmp_path: Path) -> None:
    """Only a flag has defaults for them."""
    file = tmp_path / "daemon.json"
    file.write_text('{"tls": true}')
    assert judge(file).summary == "tlscert: it is not set\ntlskey: it is not set"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have dockerd read its files")
@pytest.mark.parametrize(
    ("script", "result", "words"),
    [
        ("echo unable to configure: an unknown key >&2; exit 1", "error", "an unknown key"),
        ("echo unknown flag: --validate >&2; exit 125", "ok", ""),
        ("echo configuration OK >&2", "ok", ""),
        ("exec sleep 60", "ok", ""),
    ],
)
def test_dockerd_judges_its_configuration(
    tmp_path: Path, script: str, result: str, words: str
) -> None:
    """If it can (--validate), it says why it would not start."""
    program, file = tmp_path / "dockerd", tmp_path / "daemon.json"
    program.write_text(f'#!/bin/sh\n[ "$1" = --validate ] || exit 1\n{script}\n')
    program.chmod(0o755)
    file.write_text("{}")
    found = judge(file, program, seconds=1 if "sleep" in script else 30)
    assert found.result == result
    assert words in found.summary


def test_ordinary_user_is_shown_what_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For others than root, dockerd would say that it cannot read its key."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    program, file = tmp_path / "dockerd", tmp_path / "daemon.json"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    file.write_text("{}")
    assert judge(file, program).result == "ok"
