"""GitHub's JWT: fetched within the command's budget, without the settings meant for Vault."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import DockerTLSError, LoginDenied, RateLimited, VaultUnreachable
from dockertls_vault.vault.http.cluster import Cluster
from dockertls_vault.vault.http.sender import Sender
from dockertls_vault.vault.http.transport import Transport
from dockertls_vault.vault.http.watch import Unwatched
from dockertls_vault.vault.login.jwt import find_jwt
from dockertls_vault.vault.token_info import lookup
from tests.certificates import Authority, write_credential
from tests.vault.misbehaving import Node, misbehaving, response
from tests.vault.operator import session, settings
from tests.vault.recording import recording

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.vault.recording import Recorder

GITHUB = Authority.create("CA of GitHub's endpoint")
VAULT = Authority.create("CA of Vault's listener")


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Run GitHub's endpoint behind TLS, a proxy, and write the files of the Vault settings."""
    directory = tmp_path_factory.mktemp("github")
    endpoint = write_credential(directory / "github", GITHUB.pem, GITHUB.server())
    write_credential(directory / "client", VAULT.pem, VAULT.client("runner"))
    with recording(directory, {"github": endpoint}) as found:
        found.addresses |= {
            "client": str(directory / "client"),
            "ca": str(directory / "client" / "ca.pem"),
            "pem": VAULT.pem.decode(),
            "github_ca": str(directory / "github" / "ca.pem"),
        }
        yield found


def jwt(url: str, left: float = 30.0, /, **variables: str) -> str:
    """Fetch the JWT of a GitHub job."""
    variables |= {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
    found = settings("http://127.0.0.1:1", **variables)
    return find_jwt(found, lambda: nullcontext(left))


@pytest.mark.parametrize(
    "variables",
    [
        {"VAULT_PROXY_ADDR": "{proxy}"},
        {"VAULT_CACERT": "{ca}"},
        {"VAULT_CACERT_BYTES": "{pem}"},
        {"VAULT_CAPATH": "{ca}"},
        {"VAULT_CLIENT_CERT": "{client}/cert.pem", "VAULT_CLIENT_KEY": "{client}/key.pem"},
        {"VAULT_TLS_SERVER_NAME": "vault.example"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_vault_settings_do_not_apply_to_github(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """It is reached directly, verified with the system's CAs, and shown no client certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", recorder.addresses["github_ca"])
    recorder.arrivals.clear()
    given = {name: value.format_map(recorder.addresses) for name, value in variables.items()}
    assert jwt(recorder.addresses["github"], **given) == "a.b.c"
    (arrival,) = recorder.arrivals
    assert (arrival.door, arrival.client, arrival.server_name) == ("github", None, None)


def test_github_is_verified_despite_vault_skip_verify(recorder: Recorder) -> None:
    """VAULT_SKIP_VERIFY is for Vault only."""
    recorder.arrivals.clear()
    with pytest.raises(VaultUnreachable):
        jwt(recorder.addresses["github"], VAULT_SKIP_VERIFY="true")
    assert recorder.arrivals == []


def test_standard_proxy_variables_apply_to_github(recorder: Recorder) -> None:
    """A runner behind a proxy has it in HTTPS_PROXY or HTTP_PROXY."""
    recorder.arrivals.clear()
    proxy = recorder.addresses["proxy"]
    assert jwt("http://github.invalid/token", HTTP_PROXY=proxy) == "a.b.c"
    (arrival,) = recorder.arrivals
    assert (arrival.door, arrival.request) == ("proxy", "GET http://github.invalid/token")


def test_attempts_share_the_budget() -> None:
    """An endpoint that hangs does not get the whole budget for each attempt."""
    with misbehaving(Node.hangs) as node:
        with pytest.raises(VaultUnreachable, match="timed out"):
            jwt(node.address, 0.5)
        assert len(node.paths) == 1


def test_budget_is_the_commands_timeout() -> None:
    """--timeout covers GitHub and Vault together."""
    with misbehaving(Node.hangs) as node:
        variables = {
            "DOCKERTLS_AUTH_ROLE": "ci",
            "DOCKERTLS_TIMEOUT": "500ms",
            "ACTIONS_ID_TOKEN_REQUEST_URL": node.address,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job",
        }
        with (
            session("http://127.0.0.1:1", **variables) as opened,
            pytest.raises(VaultUnreachable, match="GitHub issued no JWT"),
        ):
            lookup(opened)
        assert len(node.paths) == 1


def test_time_spent_on_github_counts_against_the_budget() -> None:
    """The time left for Vault shrinks by the seconds that pass."""
    found = settings("http://127.0.0.1:1", DOCKERTLS_TIMEOUT="10s")
    cluster = Cluster(found, Sender(found, Transport(found)), Unwatched())
    with cluster.spending() as before:
        time.sleep(0.05)
    with cluster.spending() as after:
        assert after <= before - 0.05


@pytest.mark.parametrize(
    ("status", "kind", "words", "tries"),
    [
        ("429 Too Many Requests", RateLimited, "too many requests", 3),
        ("500 Oops", VaultUnreachable, "HTTP 500", 3),
        ("503 Oops", VaultUnreachable, "HTTP 503", 3),
        ("403 Forbidden", LoginDenied, "HTTP 403", 1),
    ],
)
def test_only_a_refusal_blames_the_jobs_permissions(
    status: str, kind: type[DockerTLSError], words: str, tries: int
) -> None:
    """A refusal is not retried."""
    with answering(status) as node, pytest.raises(kind, match=words) as caught:
        jwt(node.address)
    assert len(node.paths) == tries
    assert ("id-token: write" in caught.value.hint) == (kind is LoginDenied)


@contextmanager
def answering(status: str) -> Iterator[Node]:
    """Answer each request with a status."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response({"message": "no"}, status))

    with misbehaving(answer) as node:
        yield node
