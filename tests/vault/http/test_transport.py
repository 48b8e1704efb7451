"""TLS with a real OpenBao: its certificate, ours, and the errors if they do not match."""

from __future__ import annotations

import os
import ssl
import time
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from urllib3.exceptions import SSLError

from dockertls_vault.errors import (
    InvalidSetting,
    LoginDenied,
    NotVault,
    VaultError,
    VaultUnreachable,
)
from dockertls_vault.settings.address import Target
from dockertls_vault.vault.answers.answer import Answer
from dockertls_vault.vault.http import tls
from dockertls_vault.vault.http.transport import Transport
from dockertls_vault.vault.session import open_session
from dockertls_vault.vault.token_info import Token, lookup
from tests.certificates import SERVER_AUTH, Authority, write_credential
from tests.docker.servers import server_context
from tests.vault.listening import Listener, tls_openbao
from tests.vault.misbehaving import Node, connects, misbehaving, response
from tests.vault.operator import session, settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.openbao import DevVault

AUTHORITY = Authority.create("CA of Vault's listener")
AT_ONCE = 20.0  # seconds, where the budget would be thirty


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """Run a server for localhost that accepts any client."""
    certificate = AUTHORITY.server()
    with tls_openbao(tmp_path_factory.mktemp("tls"), AUTHORITY.pem, certificate) as found:
        yield found


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """Run a server for vault.example that requires client certificates."""
    certificate = AUTHORITY.server("vault.example")
    directory = tmp_path_factory.mktemp("strict")
    with tls_openbao(directory, AUTHORITY.pem, certificate, verify_clients=True) as found:
        yield found


@pytest.mark.parametrize(
    ("header", "date"),
    [
        ("Thu, 26 Nov 2026 12:00:00 GMT", datetime(2026, 11, 26, 12, tzinfo=UTC)),
        ("Thu, 26 Nov 2026 12:00:00 -0000", datetime(2026, 11, 26, 12, tzinfo=UTC)),
        ("Thu, 26 Nov 2026 12:00:00 +0200", datetime(2026, 11, 26, 10, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_date_header_is_read_as_utc(header: str, date: datetime | None) -> None:
    """An invalid date counts as none."""
    assert Answer(200, {"Date": header}, None, empty=True).date == date


def test_missing_date_header_is_none() -> None:
    """A proxy may strip it."""
    assert Answer(200, {}, None, empty=True).date is None


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """Return a directory with a client certificate for Vault."""
    return write_credential(tmp_path / "client", AUTHORITY.pem, AUTHORITY.client("runner"))


def who(listener: Listener, **variables: str) -> Token:
    """Look up our own token."""
    with session(listener.address, **{"VAULT_TOKEN": "root", **variables}) as opened:
        return lookup(opened)


def refused(listener: Listener, **variables: str) -> VaultUnreachable:
    """Return the error of the connection, which must fail at once."""
    started = time.monotonic()
    with pytest.raises(VaultUnreachable) as caught:
        who(listener, **variables)
    assert time.monotonic() - started < AT_ONCE
    return caught.value


def test_ca_is_read_from_a_file_a_variable_or_a_directory(
    listener: Listener, tmp_path: Path
) -> None:
    """VAULT_CACERT, VAULT_CACERT_BYTES and VAULT_CAPATH, as in Vault's own command line."""
    assert who(listener, VAULT_CACERT=str(listener.ca)).policies == ("root",)
    assert who(listener, VAULT_CACERT_BYTES=listener.ca.read_text()).policies == ("root",)
    directory = tmp_path / "cas"
    directory.mkdir()
    (directory / "any-name.pem").write_bytes(listener.ca.read_bytes())
    assert who(listener, VAULT_CAPATH=str(directory)).policies == ("root",)


def test_unknown_ca_is_rejected(listener: Listener) -> None:
    """The hint names the variable to set, and the CAs that are used now."""
    found = refused(listener)
    assert "not trusted" in found.message
    assert "VAULT_CACERT" in found.hint
    assert "the system's CAs" in found.hint


def test_variables_of_requests_and_hvac_are_ignored(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No library reads the environment."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(listener.ca))
    monkeypatch.setenv("VAULT_CACERT", str(listener.ca))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert "not trusted" in refused(listener).message


def test_certificate_for_another_name_needs_tls_server_name(strict: Listener, client: Path) -> None:
    """The hint names VAULT_TLS_SERVER_NAME, with which it is accepted."""
    variables = {
        "VAULT_CACERT": str(strict.ca),
        "VAULT_CLIENT_CERT": str(client / "cert.pem"),
        "VAULT_CLIENT_KEY": str(client / "key.pem"),
    }
    assert "VAULT_TLS_SERVER_NAME" in refused(strict, **variables).hint
    found = who(strict, **variables, VAULT_TLS_SERVER_NAME="vault.example")
    assert found.policies == ("root",)


@pytest.mark.parametrize("around", ["{}", "\n" * 200_000 + "{}" + "\n" * 200_000])
def test_client_certificate_and_key_may_be_pipes(
    strict: Listener, client: Path, around: str
) -> None:
    """As from a shell's ``<(…)``, even with more data than a pipe buffers."""
    variables = {}
    writers = []
    for name, file in (("VAULT_CLIENT_CERT", "cert.pem"), ("VAULT_CLIENT_KEY", "key.pem")):
        fifo = client / f"{file}.fifo"
        os.mkfifo(fifo)
        variables[name] = str(fifo)
        text = around.format((client / file).read_text())
        writers.append(Thread(target=fifo.write_text, args=(text,)))
        writers[-1].start()
    found = who(
        strict,
        **variables,
        VAULT_CACERT=str(strict.ca),
        VAULT_TLS_SERVER_NAME="vault.example",
    )
    assert found.policies == ("root",)
    for writer in writers:
        writer.join()


def test_client_certificate_needs_no_thread(
    strict: Listener, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on threads (ulimit -u, a container's) does not prevent it."""

    def refuse(_thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    found = tls.context(
        settings(
            strict.address,
            VAULT_CACERT=str(strict.ca),
            VAULT_CLIENT_CERT=str(client / "cert.pem"),
            VAULT_CLIENT_KEY=str(client / "key.pem"),
        )
    )
    assert found.verify_mode is ssl.CERT_REQUIRED


def test_certificate_without_a_san_is_rejected(tmp_path: Path) -> None:
    """Names are matched against SANs only (RFC 9525), as in Go; the hint says so."""
    issued = AUTHORITY.issue(common_name="localhost", dns=[], usages=[SERVER_AUTH])
    with (
        tls_openbao(tmp_path, AUTHORITY.pem, issued) as found,
        session(
            f"https://localhost:{found.port}", VAULT_TOKEN="root", VAULT_CACERT=str(found.ca)
        ) as opened,
        pytest.raises(VaultUnreachable, match="not valid for 'localhost'") as caught,
    ):
        lookup(opened)
    assert "the common name is ignored" in caught.value.hint


def test_missing_client_certificate_is_reported(strict: Listener) -> None:
    """In TLS 1.3 the server's alert comes only after the handshake."""
    found = refused(strict, VAULT_CACERT=str(strict.ca), VAULT_TLS_SERVER_NAME="vault.example")
    assert "requires a client certificate" in found.message
    assert "VAULT_CLIENT_CERT" in found.hint


def test_alert_is_read_even_if_the_server_has_closed(strict: Listener) -> None:
    """Writing the request races with the close; the error must be the same."""
    found = settings(
        strict.address, VAULT_CACERT=str(strict.ca), VAULT_TLS_SERVER_NAME="vault.example"
    )
    target = Target.parse(f"{strict.address}/v1/sys/wrapping/lookup")
    for _ in range(20):
        transport = Transport(found)
        with pytest.raises(SSLError, match="certificate required"):
            transport.send("POST", target, headers={}, body={}, params=None, timeout=30)
        transport.close()


def test_expired_certificate_is_rejected_unless_verification_is_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The hint says that Vault's listener needs a new one."""
    certificate = AUTHORITY.server(lifetime=timedelta(minutes=1))  # since five minutes ago
    with tls_openbao(tmp_path, AUTHORITY.pem, certificate) as listener:
        found = refused(listener, VAULT_CACERT=str(listener.ca))
        environ = {"VAULT_TOKEN": "root", "VAULT_SKIP_VERIFY": "true"}
        opened = open_session(settings(listener.address, **environ))
        with opened:
            assert lookup(opened).policies == ("root",)
    assert "expired" in found.message
    assert "renew the certificate of Vault's listener" in found.hint
    assert [line.partition(":")[0] for line in caplog.messages] == [
        "TLS verification of Vault is disabled (VAULT_SKIP_VERIFY)"
    ]


def test_https_to_a_plain_listener_suggests_http(listener: Listener) -> None:
    """The hint is the same address with http."""
    plain = Listener(
        int(listener.operator.address.rpartition(":")[2]), listener.ca, listener.operator
    )
    found = refused(plain)
    assert "does not speak TLS" in found.message
    assert f"http://127.0.0.1:{plain.port}" in found.hint


@pytest.mark.parametrize("path", ["", "/vault"])
def test_http_to_a_tls_listener_suggests_https(listener: Listener, path: str) -> None:
    """The hint is the same address and path with https."""
    address = f"http://127.0.0.1:{listener.port}"
    with (
        session(f"{address}{path}", VAULT_TOKEN="root") as opened,
        pytest.raises(VaultUnreachable) as caught,
    ):
        lookup(opened)
    assert caught.value.message == f"{address}{path} speaks TLS"
    assert caught.value.hint == f"is it https://127.0.0.1:{listener.port}{path}?"


def test_http_address_of_a_tls_listener_is_skipped(listener: Listener) -> None:
    """The next address is used; if there is none, the error is the first one's."""
    wrong = f"http://127.0.0.1:{listener.port}"
    right = {"VAULT_CACERT": str(listener.ca), "VAULT_TOKEN": "root"}
    with session(f"{wrong},{listener.address}", **right) as opened:
        assert lookup(opened).policies == ("root",)
    with (
        session(f"{wrong},{wrong}/", VAULT_TOKEN="root") as opened,
        pytest.raises(VaultUnreachable, match="speaks TLS"),
    ):
        lookup(opened)


def test_tls_through_a_proxy_verifies_vault(listener: Listener) -> None:
    """VAULT_PROXY_ADDR; the name and the CA are Vault's."""
    with misbehaving(connects) as proxy:
        variables = {"VAULT_CACERT": str(listener.ca), "VAULT_PROXY_ADDR": proxy.address}
        assert who(listener, **variables).policies == ("root",)
    assert proxy.paths == [f"127.0.0.1:{listener.port}"]


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_redirect_from_https_to_http_is_not_followed(listener: Listener, scheme: str) -> None:
    """It would disclose the token; the case of the scheme does not matter."""
    seen = []

    def plain(_node: Node, connection: socket.socket) -> None:
        seen.append(connection)

    def standby(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response({}, "307 Temporary Redirect", f"Location: {node.address}/v1/"))

    context = server_context(listener.ca.parent)
    with misbehaving(plain) as node, misbehaving(standby, context) as leader:
        port = int(leader.address.rpartition(":")[2])
        with (
            session(
                f"{scheme}://127.0.0.1:{port}", VAULT_TOKEN="root", VAULT_CACERT=str(listener.ca)
            ) as opened,
            pytest.raises(VaultError, match="from https to http") as caught,
        ):
            lookup(opened)
    assert "api_addr" in caught.value.hint
    assert seen == []


def test_encrypted_key_is_refused_without_a_prompt(listener: Listener, tmp_path: Path) -> None:
    """OpenSSL would prompt for the password, and hang without a terminal."""
    issued = AUTHORITY.client("runner")
    (tmp_path / "cert.pem").write_bytes(issued.certificate_pem)
    key = issued.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"s3cret"),
    )
    (tmp_path / "key.pem").write_bytes(key)
    with pytest.raises(InvalidSetting, match="cannot be read"):
        who(
            listener,
            VAULT_CLIENT_CERT=str(tmp_path / "cert.pem"),
            VAULT_CLIENT_KEY=str(tmp_path / "key.pem"),
        )


def test_deeply_nested_json_is_not_vaults() -> None:
    """It is an error, not a traceback."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response(b"[" * 100_000))

    with (
        misbehaving(answer) as node,
        session(node.address, VAULT_TOKEN="t", VAULT_MAX_RETRIES="0") as opened,
        pytest.raises(NotVault, match="did not respond like Vault"),
    ):
        lookup(opened)


def test_plain_http_beyond_loopback_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It is printed on every run; loopback is exempt."""
    open_session(settings("http://vault.example:8200,http://localhost:1"))
    (said,) = caplog.messages
    assert "http://vault.example:8200 is not encrypted" in said


@pytest.mark.parametrize(
    ("proxy", "count"),
    [("http://proxy.example:3128", 1), ("http://127.0.0.1:3128", 0)],
)
def test_plain_http_to_a_proxy_is_a_warning(
    proxy: str, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Vault on loopback is no exception if VAULT_PROXY_ADDR leads off this machine."""
    open_session(settings("http://127.0.0.1:1", VAULT_PROXY_ADDR=proxy))
    assert len([text for text in caplog.messages if "not encrypted" in text]) == count


@pytest.mark.parametrize(
    ("variables", "origin"),
    [
        (
            {"VAULT_CACERT": "/nowhere"},
            "VAULT_CACERT: cannot read /nowhere: No such file or directory",
        ),
        ({"VAULT_CACERT_BYTES": "no PEM"}, "VAULT_CACERT_BYTES"),
        ({"VAULT_CLIENT_CERT": "/nowhere"}, "VAULT_CLIENT_CERT"),
        ({"VAULT_CLIENT_KEY": "/nowhere"}, "VAULT_CLIENT_KEY"),
        (
            {"VAULT_CLIENT_CERT": "/nowhere", "VAULT_CLIENT_KEY": "/etc/passwd"},
            "VAULT_CLIENT_CERT: cannot read /nowhere",
        ),
        (
            {"VAULT_CLIENT_CERT": "/etc/passwd", "VAULT_CLIENT_KEY": "/nowhere"},
            "VAULT_CLIENT_KEY: cannot read /nowhere",
        ),
        (
            {"VAULT_CLIENT_CERT": "/dev/zero", "VAULT_CLIENT_KEY": "/dev/zero"},
            "VAULT_CLIENT_CERT: cannot read /dev/zero: it has more than 4 MiB",
        ),
    ],
)
def test_missing_file_names_its_variable(variables: dict[str, str], origin: str) -> None:
    """The error begins with the name of the variable."""
    with pytest.raises(InvalidSetting, match=f"^{origin}(: |$)"):
        session("https://127.0.0.1:1", **variables)


def test_no_ca_is_loaded_for_plain_http(openbao: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the system's would cost each command 20 ms."""
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("CAs are read"))
    with session(openbao.address, VAULT_TOKEN=openbao.token) as opened:
        assert lookup(opened).policies == ("root",)
    with (
        session("unix:///nowhere.sock", VAULT_TOKEN="t", VAULT_MAX_RETRIES="0") as opened,
        pytest.raises(VaultUnreachable),
    ):
        lookup(opened)


@pytest.mark.parametrize("path", ["/nowhere.sock", "/etc/passwd/vault.sock", "/" + "x" * 200])
def test_missing_unix_socket_is_final(path: str) -> None:
    """There is nothing else to ask, so it is not retried."""
    with (
        session(f"unix://{path}", VAULT_TOKEN="t", DOCKERTLS_TIMEOUT="1h") as opened,
        pytest.raises(VaultUnreachable, match=path[:20]),
    ):
        lookup(opened)


def test_unreadable_ca_directory_is_an_error(tmp_path: Path) -> None:
    """What the system reports of one of its files, here ENAMETOOLONG, is not a traceback."""
    (tmp_path / "ca.pem").symlink_to("x" * 300)
    with pytest.raises(InvalidSetting, match=r"^VAULT_CAPATH: cannot read CA certificates"):
        session("https://127.0.0.1:1", VAULT_CAPATH=str(tmp_path))


class TestCertLogin:
    """Logins with the client certificate of the connection."""

    def test_certificate_of_a_known_ca_logs_in(self, strict: Listener, client: Path) -> None:
        """The login uses the role that is named."""
        mount = strict.operator.enable_auth("cert")
        role = {"certificate": AUTHORITY.pem.decode(), "token_policies": "default"}
        strict.operator.write(f"auth/{mount}/certs/runner", {**role, "token_ttl": "5m"})
        variables = self.variables(strict, client, mount)
        with session(strict.address, **variables, DOCKERTLS_AUTH_ROLE="runner") as opened:
            assert lookup(opened).display_name == f"{mount}-runner"
            token = opened.identity.token()
        assert not strict.operator.is_alive(token)

    def test_certificate_of_an_unknown_ca_is_refused(self, strict: Listener, client: Path) -> None:
        """The handshake succeeds, but the login is refused."""
        mount = strict.operator.enable_auth("cert")
        other = Authority.create("another").pem.decode()
        strict.operator.write(f"auth/{mount}/certs/other", {"certificate": other})
        with (
            session(strict.address, **self.variables(strict, client, mount)) as opened,
            pytest.raises(LoginDenied) as caught,
        ):
            lookup(opened)
        assert "client certificate" in caught.value.hint

    def test_missing_certificate_names_the_variable(self, listener: Listener) -> None:
        """The hint is to set VAULT_CLIENT_CERT."""
        with (
            session(
                listener.address, VAULT_CACERT=str(listener.ca), DOCKERTLS_AUTH="cert"
            ) as opened,
            pytest.raises(InvalidSetting) as caught,
        ):
            lookup(opened)
        assert "VAULT_CLIENT_CERT" in caught.value.hint

    def variables(self, listener: Listener, client: Path, mount: str) -> dict[str, str]:
        """Return the variables of all these tests."""
        return {
            "VAULT_CACERT": str(listener.ca),
            "VAULT_TLS_SERVER_NAME": "vault.example",
            "VAULT_CLIENT_CERT": str(client / "cert.pem"),
            "VAULT_CLIENT_KEY": str(client / "key.pem"),
            "DOCKERTLS_AUTH": "cert",
            "DOCKERTLS_AUTH_MOUNT": mount,
        }
