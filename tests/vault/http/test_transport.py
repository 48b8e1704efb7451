"""TLS with a real OpenBao: its certificate, ours, and what is said when they do not fit."""

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
    """Run a server for localhost that takes anybody."""
    certificate = AUTHORITY.server()
    with tls_openbao(tmp_path_factory.mktemp("tls"), AUTHORITY.pem, certificate) as found:
        yield found


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """Run a server for vault.example that wants a certificate of its clients."""
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
def test_the_date_of_an_answer(header: str, date: datetime | None) -> None:
    """It is read in UTC; what is no date is as good as none."""
    assert Answer(200, {"Date": header}, None, empty=True).date == date


def test_an_answer_without_a_date() -> None:
    """A proxy may have taken it away."""
    assert Answer(200, {}, None, empty=True).date is None


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """Return the directory with a certificate to show to Vault."""
    return write_credential(tmp_path / "client", AUTHORITY.pem, AUTHORITY.client("runner"))


def who(listener: Listener, **variables: str) -> Token:
    """Ask who we are."""
    with session(listener.address, **{"VAULT_TOKEN": "root", **variables}) as opened:
        return lookup(opened)


def refused(listener: Listener, **variables: str) -> VaultUnreachable:
    """Return how the connection fails, which it must do at once."""
    started = time.monotonic()
    with pytest.raises(VaultUnreachable) as caught:
        who(listener, **variables)
    assert time.monotonic() - started < AT_ONCE
    return caught.value


def test_the_ca_from_a_file_a_text_or_a_directory(listener: Listener, tmp_path: Path) -> None:
    """VAULT_CACERT, VAULT_CACERT_BYTES and VAULT_CAPATH, as Vault's own command line has them."""
    assert who(listener, VAULT_CACERT=str(listener.ca)).policies == ("root",)
    assert who(listener, VAULT_CACERT_BYTES=listener.ca.read_text()).policies == ("root",)
    directory = tmp_path / "cas"
    directory.mkdir()
    (directory / "any-name.pem").write_bytes(listener.ca.read_bytes())
    assert who(listener, VAULT_CAPATH=str(directory)).policies == ("root",)


def test_an_unknown_ca(listener: Listener) -> None:
    """The hint names the variable to set, and what is in use now."""
    found = refused(listener)
    assert "not trusted" in found.message
    assert "VAULT_CACERT" in found.hint
    assert "the system's CAs" in found.hint


def test_nothing_is_read_behind_our_back(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of requests and of hvac do not count."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(listener.ca))
    monkeypatch.setenv("VAULT_CACERT", str(listener.ca))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert "not trusted" in refused(listener).message


def test_another_name_in_the_certificate(strict: Listener, client: Path) -> None:
    """The certificate is for vault.example; VAULT_TLS_SERVER_NAME says so."""
    variables = {
        "VAULT_CACERT": str(strict.ca),
        "VAULT_CLIENT_CERT": str(client / "cert.pem"),
        "VAULT_CLIENT_KEY": str(client / "key.pem"),
    }
    assert "VAULT_TLS_SERVER_NAME" in refused(strict, **variables).hint
    found = who(strict, **variables, VAULT_TLS_SERVER_NAME="vault.example")
    assert found.policies == ("root",)


@pytest.mark.parametrize("around", ["{}", "\n" * 200_000 + "{}" + "\n" * 200_000])
def test_a_client_certificate_and_its_key_from_pipes(
    strict: Listener, client: Path, around: str
) -> None:
    """As a shell's ``<(…)`` gives them, and with more around them than a pipe holds."""
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


def test_a_client_certificate_where_no_thread_may_start(
    strict: Listener, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on threads (ulimit -u, a container's) is no reason not to show who we are."""

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


def test_a_certificate_with_a_common_name_alone(tmp_path: Path) -> None:
    """A name is looked for in the SANs (RFC 9525), as Go does, and the hint says so."""
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


def test_no_client_certificate_where_one_is_wanted(strict: Listener) -> None:
    """In TLS 1.3 the server says so only after the handshake."""
    found = refused(strict, VAULT_CACERT=str(strict.ca), VAULT_TLS_SERVER_NAME="vault.example")
    assert "requires a client certificate" in found.message
    assert "VAULT_CLIENT_CERT" in found.hint


def test_an_alert_is_read_also_where_the_server_has_gone(strict: Listener) -> None:
    """Whether the request or the server's end comes first is a race, and the words are the same."""
    found = settings(
        strict.address, VAULT_CACERT=str(strict.ca), VAULT_TLS_SERVER_NAME="vault.example"
    )
    target = Target.parse(f"{strict.address}/v1/sys/wrapping/lookup")
    for _ in range(20):
        transport = Transport(found)
        with pytest.raises(SSLError, match="certificate required"):
            transport.send("POST", target, headers={}, body={}, params=None, timeout=30)
        transport.close()


def test_an_expired_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is Vault's, and so is the renewal."""
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


def test_tls_where_there_is_none(listener: Listener) -> None:
    """The hint is the address without it."""
    plain = Listener(
        int(listener.operator.address.rpartition(":")[2]), listener.ca, listener.operator
    )
    found = refused(plain)
    assert "does not speak TLS" in found.message
    assert f"http://127.0.0.1:{plain.port}" in found.hint


@pytest.mark.parametrize("path", ["", "/vault"])
def test_no_tls_where_there_is_some(listener: Listener, path: str) -> None:
    """Vault answers, and not as Vault: the hint is the address with TLS, whatever its path."""
    address = f"http://127.0.0.1:{listener.port}"
    with (
        session(f"{address}{path}", VAULT_TOKEN="root") as opened,
        pytest.raises(VaultUnreachable) as caught,
    ):
        lookup(opened)
    assert caught.value.message == f"{address}{path} speaks TLS"
    assert caught.value.hint == f"is it https://127.0.0.1:{listener.port}{path}?"


def test_one_of_several_addresses_lacks_its_tls(listener: Listener) -> None:
    """The next one is asked; where none is left, what is wrong with the first is said."""
    wrong = f"http://127.0.0.1:{listener.port}"
    right = {"VAULT_CACERT": str(listener.ca), "VAULT_TOKEN": "root"}
    with session(f"{wrong},{listener.address}", **right) as opened:
        assert lookup(opened).policies == ("root",)
    with (
        session(f"{wrong},{wrong}/", VAULT_TOKEN="root") as opened,
        pytest.raises(VaultUnreachable, match="speaks TLS"),
    ):
        lookup(opened)


def test_a_proxy(listener: Listener) -> None:
    """VAULT_PROXY_ADDR; TLS goes through it, with the name and the CA of Vault."""
    with misbehaving(connects) as proxy:
        variables = {"VAULT_CACERT": str(listener.ca), "VAULT_PROXY_ADDR": proxy.address}
        assert who(listener, **variables).policies == ("root",)
    assert proxy.paths == [f"127.0.0.1:{listener.port}"]


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_redirect_from_https_to_http(listener: Listener, scheme: str) -> None:
    """It would show the token to everybody, so it is not followed, however https was written."""
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


def test_an_encrypted_key_is_not_asked_about(listener: Listener, tmp_path: Path) -> None:
    """OpenSSL would ask for the password on the terminal, and wait for ever elsewhere."""
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


def test_json_without_end() -> None:
    """Brackets in brackets are somebody else's, and no traceback."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response(b"[" * 100_000))

    with (
        misbehaving(answer) as node,
        session(node.address, VAULT_TOKEN="t", VAULT_MAX_RETRIES="0") as opened,
        pytest.raises(NotVault, match="that is not Vault's"),
    ):
        lookup(opened)


def test_http_beyond_loopback_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Each time; on loopback it is nobody's business."""
    open_session(settings("http://vault.example:8200,http://localhost:1"))
    (said,) = caplog.messages
    assert "http://vault.example:8200 is not encrypted" in said


@pytest.mark.parametrize(
    ("variables", "origin"),
    [
        ({"VAULT_CACERT": "/nowhere"}, "VAULT_CACERT"),
        ({"VAULT_CACERT_BYTES": "no PEM"}, "VAULT_CACERT_BYTES"),
        ({"VAULT_CLIENT_CERT": "/nowhere"}, "VAULT_CLIENT_CERT"),
        ({"VAULT_CLIENT_KEY": "/nowhere"}, "VAULT_CLIENT_KEY"),
        (
            {"VAULT_CLIENT_CERT": "/nowhere", "VAULT_CLIENT_KEY": "/etc/passwd"},
            "VAULT_CLIENT_CERT: /nowhere cannot be read",
        ),
        (
            {"VAULT_CLIENT_CERT": "/etc/passwd", "VAULT_CLIENT_KEY": "/nowhere"},
            "VAULT_CLIENT_KEY: /nowhere cannot be read",
        ),
        (
            {"VAULT_CLIENT_CERT": "/dev/zero", "VAULT_CLIENT_KEY": "/dev/zero"},
            "VAULT_CLIENT_CERT: /dev/zero cannot be read: it has more than 4 MiB",
        ),
    ],
)
def test_a_file_that_is_not_there(variables: dict[str, str], origin: str) -> None:
    """The variable is named."""
    with pytest.raises(InvalidSetting, match=f"^{origin}(: |$)"):
        session("https://127.0.0.1:1", **variables)


def test_no_cas_are_read_where_there_is_no_tls(
    openbao: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's would take twenty milliseconds of each command."""
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("CAs are read"))
    with session(openbao.address, VAULT_TOKEN=openbao.token) as opened:
        assert lookup(opened).policies == ("root",)
    with (
        session("unix:///nowhere.sock", VAULT_TOKEN="t", VAULT_MAX_RETRIES="0") as opened,
        pytest.raises(VaultUnreachable),
    ):
        lookup(opened)


@pytest.mark.parametrize("path", ["/nowhere.sock", "/etc/passwd/vault.sock", "/" + "x" * 200])
def test_a_socket_that_is_not_there(path: str) -> None:
    """Nobody else can be asked, and waiting makes none: not one second try."""
    with (
        session(f"unix://{path}", VAULT_TOKEN="t", DOCKERTLS_TIMEOUT="1h") as opened,
        pytest.raises(VaultUnreachable, match=path[:20]),
    ):
        lookup(opened)


def test_a_directory_of_cas_that_cannot_be_looked_through(tmp_path: Path) -> None:
    """What the system says of one of its files, here ENAMETOOLONG, is no traceback."""
    (tmp_path / "ca.pem").symlink_to("x" * 300)
    with pytest.raises(InvalidSetting, match=r"^VAULT_CAPATH: no CA certificates can be read"):
        session("https://127.0.0.1:1", VAULT_CAPATH=str(tmp_path))


class TestLogin:
    """The certificate that the connection shows is who we are."""

    def test_a_known_certificate(self, strict: Listener, client: Path) -> None:
        """Vault knows its CA, and the role is named."""
        mount = strict.operator.enable_auth("cert")
        role = {"certificate": AUTHORITY.pem.decode(), "token_policies": "default"}
        strict.operator.write(f"auth/{mount}/certs/runner", {**role, "token_ttl": "5m"})
        variables = self.variables(strict, client, mount)
        with session(strict.address, **variables, DOCKERTLS_AUTH_ROLE="runner") as opened:
            assert lookup(opened).display_name == f"{mount}-runner"
            token = opened.identity.token()
        assert not strict.operator.is_alive(token)

    def test_an_unknown_certificate(self, strict: Listener, client: Path) -> None:
        """The connection is made, and the login refused."""
        mount = strict.operator.enable_auth("cert")
        other = Authority.create("another").pem.decode()
        strict.operator.write(f"auth/{mount}/certs/other", {"certificate": other})
        with (
            session(strict.address, **self.variables(strict, client, mount)) as opened,
            pytest.raises(LoginDenied) as caught,
        ):
            lookup(opened)
        assert "client certificate" in caught.value.hint

    def test_no_certificate(self, listener: Listener) -> None:
        """The hint names the variable."""
        with (
            session(
                listener.address, VAULT_CACERT=str(listener.ca), DOCKERTLS_AUTH="cert"
            ) as opened,
            pytest.raises(InvalidSetting) as caught,
        ):
            lookup(opened)
        assert "VAULT_CLIENT_CERT" in caught.value.hint

    def variables(self, listener: Listener, client: Path, mount: str) -> dict[str, str]:
        """Return what is set for both."""
        return {
            "VAULT_CACERT": str(listener.ca),
            "VAULT_TLS_SERVER_NAME": "vault.example",
            "VAULT_CLIENT_CERT": str(client / "cert.pem"),
            "VAULT_CLIENT_KEY": str(client / "key.pem"),
            "DOCKERTLS_AUTH": "cert",
            "DOCKERTLS_AUTH_MOUNT": mount,
        }
