"""The environments that test_as_bao.py gives to OpenBao's command line and to this program.

``{name}`` in a row is the address of a server of recording.py, or a file of environment_files.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .environment_files import ANY

if TYPE_CHECKING:
    from collections.abc import Mapping

# In a row, the redirect target of its server; neither program reads this variable.
REDIRECT = "redirect"

# Set unless a row overrides it.
BASE = {
    "VAULT_ADDR": "{vault}",
    "VAULT_TOKEN": "a-token",
    "VAULT_MAX_RETRIES": "0",
    "VAULT_CLIENT_TIMEOUT": "20s",
    "HOME": "{home}",
}
TLS = {"VAULT_ADDR": "{root}"}
HERE = {"VAULT_ADDR": f"http://{ANY}:{{vault_port}}"}
AFAR = {"VAULT_ADDR": "http://vault.example.invalid:8200"}
AFAR_TLS = {"VAULT_ADDR": "https://vault.example", "VAULT_CACERT": "{root_ca}"}
SHOWN = {"VAULT_CLIENT_CERT": "{client}/cert.pem", "VAULT_CLIENT_KEY": "{client}/key.pem"}


def _row(name: str, *parts: Mapping[str, str | None], **variables: str | None) -> object:
    row: dict[str, str | None] = {}
    for part in parts:
        row |= part
    return pytest.param(row | variables, id=name)


def _redirect(name: str, target: str, *parts: Mapping[str, str | None], **variables: str) -> object:
    """Return a row whose server redirects to ``target``."""
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
    _row("VAULT_CONFIG_PATH", VAULT_TOKEN=None, VAULT_CONFIG_PATH="{helper_config}"),
    _row("BAO_CONFIG_PATH", VAULT_TOKEN=None, VAULT_CONFIG_PATH="{absent}",
         BAO_CONFIG_PATH="{helper_config}"),
    _row("BAO_CONFIG_PATH, empty", VAULT_TOKEN=None, VAULT_CONFIG_PATH="{helper_config}",
         BAO_CONFIG_PATH=""),
    _row("a VAULT_CONFIG_PATH that is not there", VAULT_TOKEN=None, VAULT_CONFIG_PATH="{absent}"),
    _row("a token before a helper", VAULT_CONFIG_PATH="{helper_config}"),
    _row("VAULT_NAMESPACE", VAULT_NAMESPACE="team"),
    *(
        _row(f"VAULT_NAMESPACE={value!r}", VAULT_NAMESPACE=value)
        for value in ("/", "root", "team/", "/team", "a//b", " team", "a b", "a?b", "Zürich")
    ),
    _row("BAO_NAMESPACE", VAULT_NAMESPACE="team", BAO_NAMESPACE="other/team"),
    _row("BAO_NAMESPACE, empty", VAULT_NAMESPACE="team", BAO_NAMESPACE=""),
]  # fmt: skip
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
    _row("a proxy with a password beyond Latin-1",
         VAULT_PROXY_ADDR="http://us%FFer:%E2%82%AC@{proxy_host}"),
    _row("HTTP_PROXY", HERE, HTTP_PROXY="{proxy}"),
    _row("http_proxy", HERE, http_proxy="{proxy}"),
    _row("HTTP_PROXY and http_proxy", HERE, HTTP_PROXY="{proxy}", http_proxy="{dead}"),
    _row("HTTP_PROXY, empty", HERE, HTTP_PROXY="", http_proxy="{proxy}"),
    _row("HTTP_PROXY without a scheme", HERE, HTTP_PROXY="{proxy_host}"),
    *(
        _row(f"HTTP_PROXY={value!r}", HERE, HTTP_PROXY=value)
        for value in (
            "http://127.0.0.1:port", ":", "http://", "//{proxy_host}",
            "HTTP://{proxy_host}", "{proxy}/path",
        )
    ),
    *(
        _row(f"VAULT_PROXY_ADDR={value!r}", VAULT_PROXY_ADDR=value)
        for value in (
            "http://127.0.0.1:port", ":", "http://", "127.0.0.1",
            "HTTP://{proxy_host}", "{proxy}/path",
        )
    ),
    _row("HTTP_PROXY with a user", HERE, HTTP_PROXY="user:pass@{proxy_host}"),
    _row("HTTP_PROXY and loopback", HTTP_PROXY="{proxy}"),
    _row("HTTP_PROXY and localhost", HTTP_PROXY="{proxy}",
         VAULT_ADDR="http://localhost:{vault_port}"),
    _row("HTTP_PROXY and a name", AFAR, HTTP_PROXY="{proxy}"),
    # A link-local address without a zone is refused at once, whatever the routes.
    _row("HTTP_PROXY and an IPv6 address", HTTP_PROXY="{proxy}",
         VAULT_ADDR="http://[fe80::1]:8200"),
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
        _row(f"NO_PROXY={entry!r} and IPv6", VAULT_ADDR="http://[fe80::1]:8200",
             HTTP_PROXY="{proxy}", NO_PROXY=entry)
        for entry in ("fe80::1", "[fe80::1]", "[fe80::1]:8200", "[fe80::1]:1",
                      "fe80::/10", "FE80:0::1")
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
    _row("UTF-8 before", TLS, VAULT_CACERT="{utf_8}"),
    _row("lines as Windows ends them", TLS, VAULT_CACERT="{crlf}"),
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
# Variables that only change the output of ``bao``.
PRINTING = {
    "VAULT_FORMAT": "json",
    "VAULT_DETAILED": "true",
    "VAULT_CLI_NO_COLOR": "1",
    "VAULT_LOG_LEVEL": "trace",
}
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
    *(_row(name, **{name: value}) for name, value in PRINTING.items()),
]  # fmt: skip


# Deliberate differences, by their names in the reference.
DIFFERENT = [
    ("`VAULT_WRAP_TTL`", {"VAULT_WRAP_TTL": "60s"}),
    ("`VAULT_MFA`", {"VAULT_MFA": "method:123456"}),
    ("`VAULT_CLIENT_CERT_BYTES`", {"VAULT_CLIENT_CERT_BYTES": "rubbish"}),
    ("`VAULT_CLIENT_KEY_BYTES`", {"VAULT_CLIENT_KEY_BYTES": "rubbish"}),
    ("`VAULT_SRV_LOOKUP`", {"VAULT_SRV_LOOKUP": "perhaps"}),
    ("`VAULT_RATE_LIMIT`", {"VAULT_RATE_LIMIT": "many"}),
    ("`VAULT_FORMAT`", {"VAULT_FORMAT": "rubbish"}),
    ("SOCKS proxies", {"VAULT_PROXY_ADDR": "socks5://{proxy_host}"}),
    ("SOCKS proxies", HERE | {"HTTP_PROXY": "socks5://{proxy_host}"}),
    ("HTTP/2", {"VAULT_ADDR": "{h2}", "VAULT_CACERT": "{root_ca}"}),
    ("the system's CAs", TLS | {"VAULT_CACERT": "{other_ca}", "SSL_CERT_FILE": "{root_ca}"}),
    ("a user", {"VAULT_ADDR": "http://user:password@127.0.0.1:{vault_port}"}),
    ("query or fragment", {"VAULT_ADDR": "{vault}?query"}),
    ("query or fragment", {"VAULT_ADDR": "{vault}#fragment"}),
    ("several addresses", {"VAULT_ADDR": "{dead},{vault}", "VAULT_MAX_RETRIES": "1"}),
    ("an address may end in `/v1`", {"VAULT_ADDR": "{vault}/v1"}),
]
