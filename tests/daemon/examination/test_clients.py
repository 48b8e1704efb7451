"""Which docker command lines, and which of their variables, are faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.daemon.examination import clients
from dockertls_vault.docker.cli_versions import Client

OLD, NEW = Client(Path("/a"), "20.10.24", "1.41"), Client(Path("/b"), "29.3", "1.54")
MUTE = Client(Path("/c"), "", None)


@pytest.mark.parametrize(
    ("version", "installed", "result", "words"),
    [
        ({"MinAPIVersion": "1.24"}, [OLD, NEW], "ok", "/a: docker 20.10.24, API 1.41"),
        ({"MinAPIVersion": "1.41"}, [OLD], "ok", "the daemon's minimum: API 1.41"),
        ({"MinAPIVersion": "1.44"}, [OLD, NEW], "error", "/b: docker 29.3, API 1.54"),
        ({"MinAPIVersion": "1.100"}, [NEW], "error", "1.100"),
        ({"MinAPIVersion": "1.24"}, [MUTE], "unknown", "/c: docker, API unknown"),
        ({"MinAPIVersion": 7}, [OLD], "unknown", "does not report"),
        ({"MinAPIVersion": "1.24\nok"}, [OLD], "ok", r"1.24\nok"),
        ({}, [], "ok", "no docker CLI"),
        ("it has no Unix socket", [OLD], "skipped", "no Unix socket"),
    ],
)
def test_client_older_than_the_minimum_api_is_an_error(
    version: dict[str, Any] | str, installed: list[Client], result: str, words: str
) -> None:
    """Versions are compared as numbers, and the remedy names the oldest that is needed."""
    judged = clients.judge_api(version, installed)
    assert judged.result == result
    assert words in judged.summary
    if result == "error":
        assert f"DOCKER_MIN_API_VERSION={installed[0].api} " in (judged.remedy or "")


TCP = "tcp://d:2376"


@pytest.mark.parametrize(
    ("environ", "of_daemon", "words"),
    [
        ({}, None, None),
        ({}, {}, None),
        ({"DOCKER_TLS_VERIFY": ""}, {"DOCKER_TLS_VERIFY": "1"}, None),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_HOST": TCP}, None, None),
        ({"DOCKER_HOST": "unix:///x"}, None, None),
        ({"DOCKER_TLS_VERIFY": "0"}, None, "DOCKER_TLS_VERIFY=0 turns TLS on"),
        ({"DOCKER_TLS_VERIFY": "False"}, None, "DOCKER_TLS_VERIFY=False turns TLS on"),
        ({"DOCKER_HOST": TCP}, None, f"DOCKER_HOST={TCP} without DOCKER_TLS_VERIFY"),
        ({"DOCKER_HOST": f"{TCP}\nok"}, None, r"\nok"),
        ({"DOCKER_HOST": TCP, "DOCKER_TLS": "1"}, None, "without DOCKER_TLS_VERIFY"),
        ({}, {"DOCKER_TLS_VERIFY": "no"}, "dockerd was started with DOCKER_TLS_VERIFY=no"),
    ],
)
def test_variable_that_means_something_else_is_a_warning(
    environ: dict[str, str], of_daemon: dict[str, str] | None, words: str | None
) -> None:
    """Both the docker CLI and dockerd check only whether DOCKER_TLS_VERIFY is set."""
    judged = clients.judge_environment(environ, of_daemon)
    assert judged.result == ("ok" if words is None else "warning")
    assert words is None or words in judged.summary
    assert bool(judged.remedy) == (words is not None)


SUDO = {"SUDO_USER": "ann", "PATH": "/bin"}


@pytest.mark.parametrize(
    ("environ", "of_daemon", "result"),
    [
        (SUDO, None, "skipped"),
        (SUDO, {"DOCKER_TLS_VERIFY": "no"}, "warning"),
        ({**SUDO, "DOCKER_CONFIG": "/c"}, None, "ok"),
        ({**SUDO, "DOCKERTLS_MOUNT": "m"}, None, "ok"),
        ({**SUDO, "VAULT_ADDR": "https://v"}, None, "ok"),
        ({**SUDO, "BAO_TOKEN": "t"}, None, "ok"),
        ({**SUDO, "DOCKER_TLS_VERIFY": "0"}, None, "warning"),
    ],
)
def test_variables_that_sudo_drops_are_not_examined(
    environ: dict[str, str], of_daemon: dict[str, str] | None, result: str
) -> None:
    """Unless one is here that it would have dropped; the environment of dockerd always counts."""
    judged = clients.judge_environment(environ, of_daemon)
    assert judged.result == result
    assert ("sudo without -E" in judged.summary) == (result == "skipped")


def test_unverified_tls_is_told_from_plaintext() -> None:
    """DOCKER_TLS encrypts, but the daemon could be anyone."""
    unverified = clients.judge_environment({"DOCKER_HOST": TCP, "DOCKER_TLS": "1"}, None)
    plaintext = clients.judge_environment({"DOCKER_HOST": TCP}, None)
    assert "does not verify" in (unverified.reason or "")
    assert "without TLS" in (plaintext.reason or "")
