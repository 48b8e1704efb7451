"""Where a given token is looked for: in the same places as Vault's own command line."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.errors import InvalidSetting, NoToken
from dockertls_vault.vault.login.token import given_token
from tests.vault.operator import settings

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "http://127.0.0.1:1"


def find(**variables: str) -> tuple[str, str] | None:
    """Return the token and its source."""
    return given_token(settings(ADDRESS, **variables))


def helper(file: Path, script: str) -> Path:
    """Write a token helper."""
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_order_of_token_sources(tmp_path: Path) -> None:
    """The environment comes first, then our token file, the token helper and ~/.vault-token."""
    (tmp_path / ".vault-token").write_text("of-the-home\n")
    home = {"HOME": str(tmp_path)}
    assert find(**home) == ("of-the-home", str(tmp_path / ".vault-token"))
    program = helper(tmp_path / "helper", 'test "$1" = get && printf of-the-helper')
    (tmp_path / ".vault").write_text(f'token_helper = "{program}"\n')
    assert find(**home) == ("of-the-helper", f"the token helper {program}")
    (tmp_path / "sink").write_text("of-the-sink")
    home |= {"DOCKERTLS_TOKEN_FILE": str(tmp_path / "sink")}
    assert find(**home) == ("of-the-sink", str(tmp_path / "sink"))
    assert find(**home, VAULT_TOKEN="of-vault") == ("of-vault", "VAULT_TOKEN")
    assert find(**home, VAULT_TOKEN="x", BAO_TOKEN="of-bao") == ("of-bao", "BAO_TOKEN")
    assert find() is None


@pytest.mark.parametrize(
    "content",
    [
        'token_helper = "HELPER"',
        '# ours\ntoken_helper="HELPER"\n',
        '{"token_helper": "HELPER"}',
        '{\n  "other": 1,\n  "token_helper": "HELPER"\n}',
    ],
)
@pytest.mark.parametrize("variable", ["VAULT_CONFIG_PATH", "BAO_CONFIG_PATH"])
def test_helper_from_the_file_in_vault_config_path(
    tmp_path: Path, content: str, variable: str
) -> None:
    """The file may be in HCL or JSON."""
    program = helper(tmp_path / "helper", "echo of-the-helper")
    (tmp_path / "config").write_text(content.replace("HELPER", str(program)))
    found = find(**{variable: str(tmp_path / "config")})
    assert found == ("of-the-helper", f"the token helper {program}")


def test_helper_without_a_token_still_hides_the_token_file(tmp_path: Path) -> None:
    """As in Vault, ~/.vault-token is not read then."""
    (tmp_path / ".vault-token").write_text("old")
    program = helper(tmp_path / "helper", "exit 0")
    (tmp_path / ".bao").write_text(f'token_helper = "{program}"')
    assert find(HOME=str(tmp_path)) is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo locked >&2; exit 3", "failed with exit status 3: locked"),
        (None, "cannot be run: No such file"),
    ],
)
def test_failing_helper_shows_its_own_message(
    tmp_path: Path, script: str | None, words: str
) -> None:
    """The error contains its stderr."""
    program = tmp_path / "helper"
    if script is not None:
        helper(program, script)
    (tmp_path / ".vault").write_text(f'token_helper = "{program}"')
    with pytest.raises(InvalidSetting, match=words):
        find(HOME=str(tmp_path))


@pytest.mark.parametrize("stopped", [False, True], ids=["too slow", "stopped"])
def test_helper_is_killed_with_its_children(tmp_path: Path, stopped: bool) -> None:
    """A child that keeps the output open is neither waited for nor left behind."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    program = helper(tmp_path / "helper", f"(echo started > {fifo}; exec sleep 600) & wait")
    (tmp_path / ".vault").write_text(f'token_helper = "{program}"')

    def read() -> None:
        with fifo.open() as opened:
            opened.readline()
            if stopped:
                asked.request()
            assert opened.read() == ""  # all who could write to it have gone

    with stop.heeded() as asked, ThreadPoolExecutor() as threads:
        reading = threads.submit(read)
        with pytest.raises(stop.Stopped if stopped else InvalidSetting):
            find(HOME=str(tmp_path), DOCKERTLS_TIMEOUT="60s" if stopped else "1s")
        reading.result(timeout=60)


def test_helper_is_killed_if_the_stop_came_before_it(tmp_path: Path) -> None:
    """Nothing was waited for then, so nothing is cut; the helper is not waited for either."""
    program = helper(tmp_path / "helper", "exec sleep 600")
    (tmp_path / ".vault").write_text(f'token_helper = "{program}"')
    with stop.heeded() as asked:
        asked.request()
        with pytest.raises(stop.Stopped):
            find(HOME=str(tmp_path))


def test_helper_is_limited_by_the_budget(tmp_path: Path) -> None:
    """If the budget is shorter than the helper's own limit."""
    program = helper(tmp_path / "helper", "exec sleep 60")
    (tmp_path / ".vault").write_text(f'token_helper = "{program}"')
    with pytest.raises(InvalidSetting, match="returned no token within 1 s"):
        find(HOME=str(tmp_path), DOCKERTLS_TIMEOUT="1s")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("helper", "the token helper is not an absolute path"),
        ("~nobody-of-that-name/helper", "home directory not found"),
        ("/a\0b", "string with a NUL character"),
    ],
)
def test_helper_without_an_absolute_path_is_refused(tmp_path: Path, path: str, words: str) -> None:
    """It could be any program on the PATH; the error names the file that configures it."""
    (tmp_path / ".vault").write_text(f'token_helper = "{path}"')
    with pytest.raises(InvalidSetting) as caught:
        find(HOME=str(tmp_path))
    assert caught.value.message.startswith(f"{tmp_path / '.vault'}: {words}")


@pytest.mark.parametrize(
    "content",
    [
        "VAULT_TOKEN=hvs.x",
        "BAO_TOKEN=hvs.x\n",
        'export VAULT_TOKEN="hvs.x"\n',
        "export  BAO_TOKEN='hvs.x'",
        '{"token": "hvs.x"}',
        '\n{"token":"hvs.x","ttl":300}\n',
        '{"auth": {"client_token": "hvs.x", "policies": []}, "wrap_info": null}',
    ],
)
def test_token_in_another_format_is_recognized(tmp_path: Path, content: str) -> None:
    """Shell assignments and the JSON of a sink or `bao token create` work in a variable, too."""
    (tmp_path / "token").write_text(content)
    file = str(tmp_path / "token")
    assert find(DOCKERTLS_TOKEN_FILE=file) == ("hvs.x", file)
    assert find(VAULT_TOKEN=content) == ("hvs.x", "VAULT_TOKEN")
    (tmp_path / ".vault-token").write_text(content)
    assert find(HOME=str(tmp_path)) == ("hvs.x", str(tmp_path / ".vault-token"))
    program = helper(tmp_path / "helper", f"cat {file}")
    (tmp_path / ".vault").write_text(f'token_helper = "{program}"\n')
    assert find(HOME=str(tmp_path)) == ("hvs.x", f"the token helper {program}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            '{"token": "hvs.x", "creation_path": "sys/wrapping/wrap", "ttl": 300}',
            "a wrapping token",
        ),
        (
            '{"wrap_info": {"token": "hvs.x", "creation_path": "auth/token/create"}}',
            "a wrapping to",
        ),
        ('{"curve25519_public_key": "k", "nonce": "n", "encrypted_payload": "hvs.x"}', "encrypted"),
        ('{"data": {"secret_id": "hvs.x"}}', "JSON without a token"),
        ('{"token": ["hvs.x"]}', "JSON without a token"),
        ('{"token": "hvs.x"', "invalid JSON"),
        ('{"token": ' * 100_000, "invalid JSON"),
        ('{"token": ""}', "is empty"),
        ("VAULT_TOKEN=", "is empty"),
        ("VAULT_TOKEN=hvs.x\nVAULT_ADDR=a", "control or non-ASCII characters"),
    ],
)
def test_other_kind_of_secret_is_named_in_the_error(content: str, words: str) -> None:
    """It is not sent as a token and not shown."""
    with pytest.raises(NoToken, match=words) as caught:
        find(VAULT_TOKEN=content)
    assert "VAULT_TOKEN" in caught.value.message
    assert "hvs.x" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("content", ["", " \n", "two words", "a\nb", "schlüssel", "a\x07b"])
def test_invalid_token_is_refused_before_it_is_sent(tmp_path: Path, content: str) -> None:
    """It is not shown either."""
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(NoToken) as caught:
        find(DOCKERTLS_TOKEN_FILE=str(file))
    assert str(file) in caught.value.message
    assert len(content) < 2 or content not in caught.value.message


def test_missing_token_file_is_an_error(tmp_path: Path) -> None:
    """It was named explicitly, so it must exist."""
    file = tmp_path / "token"
    with pytest.raises(InvalidSetting) as caught:
        find(DOCKERTLS_TOKEN_FILE=str(file))
    reason = "No such file or directory"
    assert caught.value.message == f"DOCKERTLS_TOKEN_FILE: cannot read {file}: {reason}"


def test_token_with_a_newline_in_a_variable_is_refused() -> None:
    """It would inject a header."""
    with pytest.raises(NoToken, match="VAULT_TOKEN"):
        find(VAULT_TOKEN="a\nX-Vault-Namespace: other")
