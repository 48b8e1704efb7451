"""What is wrong with the clock and the roles in Vault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dockertls_vault.certificate.clocks import Clocks
from dockertls_vault.daemon.examination import vaults

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("difference", "result", "words"),
    [
        (timedelta(0), "ok", "in sync"),
        (timedelta(seconds=60), "ok", "in sync"),
        (timedelta(seconds=61), "warning", "1m1s behind Vault's"),
        (timedelta(minutes=-5), "warning", "5m ahead of Vault's"),
        (timedelta(minutes=5, seconds=1), "error", "5m1s behind Vault's"),
    ],
)
def test_clock_too_far_from_vaults_is_an_error(
    difference: timedelta, result: str, words: str
) -> None:
    """Certificates are backdated by five minutes."""
    judged = vaults.judge_clock(Clocks(NOW, NOW + difference))
    assert judged.result == result
    assert words in judged.summary
    assert bool(judged.remedy) == (result != "ok")


def test_response_without_a_date_proves_nothing() -> None:
    """The result is unknown."""
    assert vaults.judge_clock(Clocks(NOW)).result == "unknown"


SERVER = {"server_flag": True, "client_flag": False}
CLIENT = {"server_flag": False, "client_flag": True}
NEITHER = {"server_flag": False, "client_flag": False}


@pytest.mark.parametrize(
    ("role", "dual"),
    [
        (SERVER, False),
        (CLIENT, False),
        ({"server_flag": True, "client_flag": True}, True),
        (NEITHER, True),
        ({**NEITHER, "code_signing_flag": True}, False),
        ({**SERVER, "ext_key_usage": ["ClientAuth"]}, True),
        ({**SERVER, "ext_key_usage": ["ExtKeyUsageClientAuth"]}, True),
        ({**SERVER, "ext_key_usage": ["Any"]}, True),
        ({**SERVER, "ext_key_usage": ["TimeStamping"]}, False),
        ({**SERVER, "ext_key_usage_oids": ["1.3.6.1.5.5.7.3.2"]}, True),
        ({**NEITHER, "ext_key_usage_oids": ["1.3.6.1.5.5.7.3.1"]}, False),
        ({**CLIENT, "ext_key_usage_oids": ["2.5.29.37.0"]}, True),
        ({**SERVER, "ext_key_usage": None}, False),
    ],
)
def test_role_for_servers_and_clients_is_a_warning(role: dict[str, Any], dual: bool) -> None:
    """So is one without any usage, whose certificates pass as both."""
    judged = vaults.judge_roles("m", {"docker": role, "other": "the token may not read it"})
    assert judged.result == ("warning" if dual else "skipped")
    remedy = dict(each.split("=") for each in (judged.remedy or "").split() if "=" in each)
    values: dict[str, Any] = {"true": True, "false": False, "": []}
    mended = role | {key: values[value] for key, value in remedy.items()}
    assert vaults.judge_roles("m", {"docker": mended}).result == "ok"


def test_remedy_leaves_a_role_its_purpose() -> None:
    """It is in its name; the command can be pasted."""
    both = {"server_flag": True, "client_flag": True}
    judged = vaults.judge_roles("m", {"a b": both, "client": both})
    assert judged.remedy == (
        "bao patch 'm/roles/a b' server_flag=true client_flag=false; "
        "bao patch m/roles/client client_flag=true server_flag=false"
    )
    assert vaults.judge_roles("m", {"server": SERVER, "client": CLIENT}).result == "ok"
