"""What an inspection of a host finds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import inspection
from dockertls_vault.daemon.inspection import Host
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import DockerUnavailable

from .test_plan import CURRENT, HOST

if TYPE_CHECKING:
    from pathlib import Path


def test_dockerd_that_does_not_answer_leads_to_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why dockerd does not start, such as with a setting that it has twice."""
    monkeypatch.setattr(inspection, "look_at_files", lambda *_: CURRENT)
    engine = Engine(tmp_path / "docker.sock", timedelta(seconds=1))
    with pytest.raises(DockerUnavailable, match=r"^no answer from Docker at") as failure:
        inspection.look(Host(engine, HOST.daemon_json, HOST.records), CURRENT.service)
    assert failure.value.hint == "find out why with `sudo dockertls-vault daemon doctor`"
