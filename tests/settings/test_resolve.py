"""Where settings come from, which source takes precedence, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.errors import InvalidInput, InvalidSetting
from dockertls_vault.settings.address import Address, Proxy, Target
from dockertls_vault.settings.method import Method
from dockertls_vault.settings.places import SYSTEM_FILE
from dockertls_vault.settings.resolve import config_files, resolve
from dockertls_vault.settings.schema import Flag, InFile, Settings, Variable, sources

# For each field: the value of a variable, and its parsed form.
EXAMPLES: dict[str, tuple[str, Any]] = {
    "addresses": (
        "https://a:8200/, https://b:8200/v1,https://a:8200",
        (Address.parse("https://a:8200"), Address.parse("https://b:8200")),
    ),
    "namespace": ("/team/a/", "team/a"),
    "ca_cert": ("/ca.pem", Path("/ca.pem")),
    "ca_cert_bytes": ("PEM", "PEM"),
    "ca_path": ("/cas", Path("/cas")),
    "client_cert": ("/c.pem", Path("/c.pem")),
    "client_key": ("/k.pem", Path("/k.pem")),
    "skip_verify": ("1", True),
    "tls_server_name": ("vault.example", "vault.example"),
    "client_timeout": ("5s", timedelta(seconds=5)),
    "max_retries": ("0", 0),
    "proxy": ("http://p:3128", Proxy.parse("http://p:3128")),
    "http_proxy": ("p:3128", "p:3128"),
    "https_proxy": ("p:3128", "p:3128"),
    "no_proxy": (".example,10.0.0.0/8", ".example,10.0.0.0/8"),
    "disable_redirects": ("true", True),
    "timeout": ("1m", timedelta(minutes=1)),
    "token": ("hvs.x", "hvs.x"),
    "token_file": ("/sink", Path("/sink")),
    "token_path": ("/kept", Path("/kept")),
    "token_helper_config": ("/etc/vault", Path("/etc/vault")),
    "home": ("/home/a", Path("/home/a")),
    "auth": ("AppRole", Method.APPROLE),
    "auth_mount": ("team/jwt", "team/jwt"),
    "auth_role": ("ci", "ci"),
    "auth_user": ("alice@example", "alice@example"),
    "role_id": ("r", "r"),
    "role_id_file": ("/r", Path("/r")),
    "secret_id": ("s", "s"),
    "secret_id_file": ("/s", Path("/s")),
    "wrapped_secret_id": ("w", "w"),
    "wrapped_secret_id_file": ("/w", Path("/w")),
    "jwt": ("a.b.c", "a.b.c"),
    "jwt_file": ("/j", Path("/j")),
    "jwt_variable": ("MY_TOKEN", "MY_TOKEN"),
    "jwt_audience": ("https://vault.example", "https://vault.example"),
    "github_url": ("https://g/?v=1", Target.parse("https://g/?v=1")),
    "github_token": ("g", "g"),
    "gitlab_token": ("a.b.c", "a.b.c"),
    "kubernetes_host": ("10.0.0.1", "10.0.0.1"),
    "kubernetes_token_file": ("/t", Path("/t")),
    "mount": ("team/pki/", "team/pki"),
    "trust_mount": ("roots", "roots"),
    "server_role": ("servers", "servers"),
    "client_role": ("clients", "clients"),
    "key_type": ("RSA-4096", KeyType.RSA_4096),
    "admin_group": ("staff", "staff"),
    "state_dir": ("/state", Path("/state")),
    "hook_timeout": ("30s", timedelta(seconds=30)),
}
SECRETS = {"token", "secret_id", "wrapped_secret_id", "jwt", "github_token", "gitlab_token"}


def test_every_field_has_an_example() -> None:
    """A new field cannot be added without one."""
    assert set(EXAMPLES) == set(sources())


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_variable_is_parsed(name: str) -> None:
    """It is named as the origin, and an empty one counts as unset."""
    text, value = EXAMPLES[name]
    default = getattr(Settings(), name)
    for variable in sources()[name].variables:
        found = resolve({}, {variable: text}, [])
        assert getattr(found, name) == value
        assert found.origins == {name: variable}
        assert isinstance(found.origins[name], Variable)
        assert getattr(resolve({}, {variable: ""}, []), name) == default


def test_empty_bao_variable_hides_the_vault_variable() -> None:
    """BAO_X= turns off a setting meant for both; the file still counts (test_as_bao.py)."""
    environ = {"BAO_NAMESPACE": "", "VAULT_NAMESPACE": "a", "VAULT_MAX_RETRIES": "3"}
    found = resolve({}, environ, [])
    assert (found.namespace, found.max_retries) == (None, 3)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0", timedelta(minutes=1)),
        ("0s", timedelta(minutes=1)),
        ("500ms", timedelta(milliseconds=500)),
        ("1.5m", timedelta(seconds=90)),
        ("7", timedelta(seconds=7)),
        ("-1s", timedelta.max),
    ],
)
def test_request_timeout_is_parsed_as_in_openbao(text: str, limit: timedelta) -> None:
    """Zero is the default, and a negative value means no limit."""
    assert resolve({}, {"VAULT_CLIENT_TIMEOUT": text}, []).client_timeout == limit


@pytest.mark.parametrize("name", [name for name, source in sources().items() if source.key])
def test_each_key_of_a_file_is_parsed(name: str, tmp_path: Path) -> None:
    """With the same values, under the table's key."""
    text, value = EXAMPLES[name]
    key = sources()[name].key or ""
    table, _, leaf = key.partition(".")
    file = tmp_path / "config.toml"
    file.write_text(f"[{table}]\n{leaf} = {text!r}\n")
    found = resolve({}, {}, [file])
    assert getattr(found, name) == value
    assert found.origins == {name: f"{file}: {key}"}
    assert isinstance(found.origins[name], InFile)


def test_precedence_of_sources(tmp_path: Path) -> None:
    """Flags win over BAO_ and VAULT_ variables, the user's file, the system's and the default."""
    system, user = tmp_path / "system.toml", tmp_path / "user.toml"
    system.write_text('[vault]\naddress = "https://system"\nnamespace = "system"\n')
    user.write_text('[vault]\naddress = ["https://user", "https://other"]\n')
    files = [user, system]
    assert resolve({}, {}, []).addresses == (Address.parse("https://127.0.0.1:8200"),)
    assert resolve({}, {}, [system]).addresses == (Address.parse("https://system"),)
    assert resolve({}, {}, files).addresses == (
        Address.parse("https://user"),
        Address.parse("https://other"),
    )
    assert resolve({}, {}, files).namespace == "system"
    vault = {"VAULT_ADDR": "https://vault"}
    assert resolve({}, vault, files).addresses == (Address.parse("https://vault"),)
    bao = {**vault, "BAO_ADDR": "https://bao"}
    assert resolve({}, bao, files).addresses == (Address.parse("https://bao"),)
    found = resolve({"namespace": "flag"}, {"BAO_NAMESPACE": "variable"}, files)
    assert (found.namespace, found.origins["namespace"]) == ("flag", "--namespace")
    assert isinstance(found.origins["namespace"], Flag)


def test_secret_has_no_flag_no_key_and_no_repr() -> None:
    """A token must not appear in a process list, a readable file or a log."""
    table = sources()
    assert {name for name in SECRETS if table[name].flag or table[name].key} == set()
    environ = {variable: "s3cret" for name in SECRETS for variable in table[name].variables}
    found = resolve({}, environ, [])
    assert found.token == "s3cret"
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("content", "words", "hint"),
    [
        ('[vault]\ntoken = "x"', "vault.token is a secret", "separate file"),
        ('[auth]\nsecret_id = "x"', "auth.secret_id is a secret", "separate file"),
        ('[vault]\nadress = "x"', "unknown setting: vault.adress", "vault.address"),
        ('address = "x"', "unknown setting: address", ""),
        ("[vault", "cannot be read", ""),
        ("[vault]\naddress = 1", "vault.address: not a string: 1", ""),
        ("[vault]\naddress = []", "vault.address: no Vault address", ""),
        ("[vault]\nskip_verify = 2", "vault.skip_verify: not a string", ""),
        (
            f"[vault]\nmax_retries = 0x{'f' * 5000}",
            "vault.max_retries: integer does not fit in 64 bits",
            "",
        ),
        (
            f"[vault]\naddress = [0x{'f' * 5000}]",
            "vault.address: integer does not fit in 64 bits",
            "",
        ),
        (f"[vault]\nmax_retries = {'1' * 5000}", "cannot be read", ""),
        (f"[vault]\nmax_retries = {'[' * 5000}", "cannot be read", ""),
        ('[vault]\nca_cert = "\\u0000"', "vault.ca_cert: string with a NUL", ""),
        ('[vault]\nca_path = "\\u0000"', "vault.ca_path: string with a NUL", ""),
        ('[vault]\nclient_cert = "\\u0000"', "vault.client_cert: string with a NUL", ""),
        ('[vault]\ntls_server_name = "\\u0000"', "vault.tls_server_name: string with a NUL", ""),
        ('[auth]\nrole_id = "\\u0000"', "auth.role_id: string with a NUL", ""),
    ],
)
def test_invalid_file_is_named(tmp_path: Path, content: str, words: str, hint: str) -> None:
    """With a suggestion if the intent can be guessed."""
    file = tmp_path / "config.toml"
    file.write_text(content)
    with pytest.raises(InvalidSetting) as caught:
        resolve({}, {}, [file])
    assert caught.value.message.startswith(str(file))
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "vault.example:8200",
            "not an http:// or https:// URL: 'vault.example:8200'",
            "https://vault.example:8200",
        ),
        (
            "https://vault:port",
            "invalid host or port in the URL: 'https://vault:port'",
            "https://vault.example.com:8200",
        ),
        (
            "https://me@vault:8200",
            "an address cannot have a user, a query or a fragment: https://vault",
            "https://vault:8200",
        ),
    ],
)
def test_invalid_address_has_one_message_and_a_suggestion(
    text: str, message: str, hint: str
) -> None:
    """The fault in one sentence, and the same address in a valid form."""
    with pytest.raises(InvalidSetting) as caught:
        resolve({}, {"VAULT_ADDR": text}, [])
    assert caught.value.message == f"VAULT_ADDR: {message}"
    assert caught.value.hint == f"write it as {hint}"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("VAULT_ADDR", "vault.example:8200"),
        ("VAULT_ADDR", "https://"),
        ("VAULT_ADDR", "https://vault:port"),
        ("VAULT_ADDR", f"https://{'a' * 64}.example"),
        ("VAULT_ADDR", "https://user:password@vault"),
        ("VAULT_ADDR", "https://vault/?x=1"),
        ("VAULT_ADDR", "https://a,,https://b"),
        ("VAULT_ADDR", "unix://"),
        ("VAULT_SKIP_VERIFY", "maybe"),
        ("VAULT_SKIP_VERIFY", "yes"),
        ("VAULT_ADDR", "https://a b"),
        ("VAULT_ADDR", "https://.example"),
        ("VAULT_MAX_RETRIES", "-1"),
        ("VAULT_MAX_RETRIES", "1" * 5000),
        ("VAULT_CACERT", "~nobody-of-that-name/x"),
        ("VAULT_CACERT", "~\ud800/x"),
        ("VAULT_TLS_SERVER_NAME", "a b"),
        ("VAULT_TLS_SERVER_NAME", ".example"),
        ("VAULT_TLS_SERVER_NAME", "a" * 64),
        ("VAULT_TLS_SERVER_NAME", "\udcff"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "http://[bad"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "ftp://github"),
        ("VAULT_CLIENT_TIMEOUT", "soon"),
        ("VAULT_CLIENT_TIMEOUT", "-soon"),
        ("VAULT_NAMESPACE", "a/../b"),
        ("VAULT_NAMESPACE", "a\r\nX-Vault-Token: b"),
        ("DOCKERTLS_MOUNT", "pki?x"),
        ("DOCKERTLS_MOUNT", "/"),
        ("DOCKERTLS_SERVER_ROLE", "a/b"),
        ("DOCKERTLS_CLIENT_ROLE", "a:b"),
        ("DOCKERTLS_AUTH", "kerberos"),
        ("DOCKERTLS_KEY_TYPE", "dsa-1024"),
        ("DOCKERTLS_AUTH_USER", "../root"),
        ("DOCKERTLS_JWT_VARIABLE", "MY-TOKEN"),
    ],
)
def test_invalid_variable_is_named(variable: str, text: str) -> None:
    """Status 78, a configuration error; no password is shown."""
    with pytest.raises(InvalidSetting) as caught:
        resolve({}, {variable: text}, [])
    assert caught.value.message.startswith(f"{variable}: ")
    assert "password" not in caught.value.message


def test_invalid_flag_is_named() -> None:
    """It is a usage error, status 2."""
    with pytest.raises(InvalidInput, match=r"^--timeout: ") as caught:
        resolve({"timeout": "soon"}, {}, [])
    assert caught.value.exit_status == 2


def test_config_files_are_the_users_and_the_systems() -> None:
    """The user's (XDG) comes first."""
    user = Path("/c/dockertls-vault/config.toml")
    assert config_files({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == (user, Path(SYSTEM_FILE))
    home = Path("/h/.config/dockertls-vault/config.toml")
    assert config_files({"HOME": "/h"}) == (home, Path(SYSTEM_FILE))
    assert config_files({}) == (Path(SYSTEM_FILE),)


@pytest.mark.parametrize(
    ("flags", "environ", "overridden"),
    [
        ({}, {"BAO_ADDR": "https://a", "VAULT_ADDR": "https://b"}, {"VAULT_ADDR": "BAO_ADDR"}),
        ({}, {"BAO_TOKEN": "a", "VAULT_TOKEN": "b"}, {"VAULT_TOKEN": "BAO_TOKEN"}),
        ({}, {"BAO_ADDR": "https://a", "VAULT_ADDR": "https://a"}, {}),
        ({}, {"BAO_ADDR": "https://a", "VAULT_ADDR": ""}, {}),
        ({}, {"VAULT_ADDR": "https://b"}, {}),
        ({}, {"VAULT_AGENT_ADDR": "https://a", "VAULT_ADDR": "https://b"}, {}),
        ({"namespace": "c"}, {"BAO_NAMESPACE": "a", "VAULT_NAMESPACE": "b"}, {}),
    ],
)
def test_overridden_variable_is_reported(
    flags: dict[str, object], environ: dict[str, str], overridden: dict[str, str]
) -> None:
    """Only if the two differ and neither was overridden anyway."""
    assert resolve(flags, environ, ()).overridden == overridden


@pytest.mark.parametrize(
    "name", ['a"b', "a'b", "a`b", "${a}", "a\nb", "a*", "+", "a//b", "../b", "-b"]
)
def test_mount_with_special_characters_is_refused(name: str) -> None:
    """In a policy, a URL or a shell they would have another meaning."""
    with pytest.raises(InvalidInput, match="invalid path in Vault"):
        resolve({"mount": name}, {}, [])
