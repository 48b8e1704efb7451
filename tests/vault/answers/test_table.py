"""The table of Vault's answers: quoted from both servers, with an example for each row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.errors import (
    CommonNameRequired,
    DockerTLSError,
    IssuerExpired,
    IssuerTooNew,
    IssuerUnusable,
    KeyNotAllowed,
    LeaseQuotaExceeded,
    LoginDenied,
    NameNotAllowed,
    NoLeader,
    NotFound,
    NotVault,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    SigningRefused,
    TokenRejected,
    TryAgain,
    TTLNotAllowed,
    UnknownMount,
    UnknownNamespace,
    UnknownRole,
    VaultError,
    VaultSealed,
    VaultUnreachable,
    WrappingTokenInvalid,
)
from dockertls_vault.settings.address import Address
from dockertls_vault.vault.answers import signing, table
from dockertls_vault.vault.answers.answer import Answer
from dockertls_vault.vault.answers.meaning import Refusal, Row, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

VAULT = Address.parse("https://vault:8200")
SIGN = "pki/sign/server"
LOGIN = "auth/approle/login"
LOOKUP = "auth/token/lookup-self"
CAPABILITIES = "sys/capabilities-self"
EGP = (
    '2 errors occurred:\n\t* egp standard policy "root/hours" evaluation resulted in denial.'
    "\n\nThe specific error was:\n<nil>\n\t* permission denied\n\n"
)
PREFLIGHT = (
    "preflight capability check returned 403, please ensure client's policies grant access to "
    'path "pki/"'
)
NO_ADDRESSES = "IP Subject Alternative Names are not allowed in this role, but was provided"
CONSTRAINED = (
    "1 error occurred:\n\t* x509: a root or intermediate certificate is not authorized to sign for "
    "this name:"
)
BEYOND = (
    "cannot satisfy request, as TTL would result in notAfter of 2027-01-01T00:00:00.5Z that is "
    "beyond the expiration of the CA certificate at"
)
NO_CA = "1 error occurred:\n\t* could not fetch the CA certificate (was one set?):"
# What a TLS listener answers to plain HTTP.
SPEAK_TLS = {
    "Go": "Client sent an HTTP request to an HTTPS server.\n",
    "nginx": "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title>",
    "Apache": "<p>Your browser sent a request that this server could not understand.<br />\n"
    "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
}
DATE = {"Date": "Thu, 26 Nov 2026 22:00:00 GMT"}
INCONSISTENT = "forwarding via header X-Vault-Inconsistent disabled in configuration"


@dataclass(frozen=True)
class Example:
    """An answer and its meaning."""

    path: str
    status: int
    said: str | dict[str, Any] | None
    verdict: Verdict
    error: type[DockerTLSError]
    exit_status: int
    words: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def answer(self) -> Answer:
        """Return the answer with the text in ``errors``; None is a body that is not JSON."""
        body = {"errors": [self.said]} if isinstance(self.said, str) else self.said
        return Answer(self.status, self.headers, body, empty=False, text=self.text)


F, N, B = Verdict.FINAL, Verdict.NEXT_NODE, Verdict.BACK_OFF
# Texts as received from OpenBao 2.7.2, or from HashiCorp Vault's source if they differ there
# ("Vault" in the name).
EXAMPLES = {
    "another web server": Example(
        SIGN, 200, None, Verdict.NEVER_HERE, NotVault, 69, "(HTTP 200, text/html)",
        headers={"Content-Type": "text/html; charset=utf-8"},
    ),
    "another service": Example(
        SIGN, 200, {"message": "welcome"}, Verdict.NEVER_HERE, NotVault, 69, "(HTTP 200)"
    ),
    "another service, below sys": Example(
        "sys/wrapping/lookup", 200, {"message": "welcome"}, Verdict.NEVER_HERE, NotVault, 69
    ),
    "another service's failure": Example(
        SIGN, 404, {"message": "not found"}, Verdict.NEVER_HERE, NotVault, 69, "(HTTP 404)"
    ),
    "a load balancer without Vault": Example(
        SIGN, 503, None, N, VaultUnreachable, 69, "cannot reach Vault (HTTP 503)"
    ),
    "a proxy that wants a password": Example(
        SIGN, 407, None, Verdict.NEVER_HERE, VaultUnreachable, 69, "requires credentials"
    ),
    **{
        f"TLS, {server}": Example(
            SIGN, 400, None, Verdict.NEVER_HERE, VaultUnreachable, 69, "speaks TLS", text=text
        )
        for server, text in SPEAK_TLS.items()
    },
    "a standby": Example(SIGN, 307, {}, Verdict.REDIRECT, VaultError, 69, "redirects again"),
    "a rate limit": Example(
        SIGN, 429, 'request path "pki/sign/server": rate limit quota exceeded', B, RateLimited, 75,
        "rate limit quota exceeded",
    ),
    "a lease count quota, Vault": Example(
        LOGIN, 429, 'request path "auth/approle/login": lease count quota exceeded', F,
        LeaseQuotaExceeded, 75, "lease count quota is exceeded",
    ),
    "a standby that is behind": Example(
        SIGN, 429, {"errors": []}, N, TryAgain, 75, "has not yet replicated"
    ),
    "a standby that is behind, Vault": Example(
        SIGN, 412, "required index state not present", N, TryAgain, 75, "has not yet replicated"
    ),
    "sealed": Example(SIGN, 503, "Vault is sealed", N, VaultSealed, 75, "is sealed"),
    "too much work, Vault": Example(
        SIGN, 503, "overloaded, try again later", B, RateLimited, 75, "is overloaded"
    ),
    "no leader": Example(SIGN, 503, "no active Vault instance found", N, NoLeader, 75),
    "the leader does not answer": Example(SIGN, 502, "bad gateway", N, NoLeader, 75),
    "an election": Example(
        SIGN, 500, "local node not active but active cluster node not found", N, NoLeader, 75
    ),
    "a leader that loses leadership": Example(
        SIGN, 500, "1 error occurred:\n\t* leadership lost while committing log\n\n", N,
        NoLeader, 75,
    ),
    "a node that shuts down, or OpenBao 2.5.0": Example(
        SIGN, 500, "context canceled", Verdict.BRIEFLY, VaultError, 69,
        "canceled the request for pki/sign/server"
    ),
    "a forbidden header, Vault": Example(
        LOOKUP, 400, INCONSISTENT, Verdict.NO_FORWARDING, RequestRejected, 69
    ),
    "an unknown namespace": Example(
        LOOKUP, 404, "namespace not found", F, UnknownNamespace, 78
    ),
    "an unknown namespace, at a login": Example(
        LOGIN, 404, "namespace not found", F, UnknownNamespace, 78
    ),
    "a login": Example(LOGIN, 400, "invalid role or secret ID", F, LoginDenied, 77),
    "a login without a method": Example(LOGIN, 403, "permission denied", F, LoginDenied, 77),
    "a login by name": Example(
        "auth/userpass/login/alice", 400, "invalid username or password", F, LoginDenied, 77
    ),
    "an internal error, at a login": Example(
        LOGIN, 500, "internal error", F, VaultError, 69, "Vault failed at auth/approle/login"
    ),
    "a storage that hangs, at a login": Example(
        LOGIN, 500, "context deadline exceeded", F, VaultError, 69, "context deadline exceeded"
    ),
    "a login under load": Example(
        LOGIN, 429, 'request path "auth/approle/login": rate limit quota exceeded', B,
        RateLimited, 75,
    ),
    "a wrapping token": Example(
        "sys/wrapping/unwrap", 400, "wrapping token is not valid or does not exist", F,
        WrappingTokenInvalid, 77, "was already unwrapped",
    ),
    "a failure while unwrapping": Example(
        "sys/wrapping/unwrap", 500, "internal error", F, VaultError, 69
    ),
    "a bad token": Example(LOOKUP, 403, "permission denied", F, TokenRejected, 77),
    "a bad token, Vault": Example(
        LOOKUP, 403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n", F,
        TokenRejected, 77, "rejected the token",
    ),
    "a token at its last use": Example(
        CAPABILITIES, 400, "1 error occurred:\n\t* invalid token\n\n", F, TokenRejected, 77,
        "its last use",
    ),
    "no token, Vault": Example(LOOKUP, 400, "missing client token", F, TokenRejected, 77),
    "a policy": Example(
        SIGN, 403, "1 error occurred:\n\t* permission denied\n\n", F, PermissionDenied, 77,
        "do not allow 'update' on 'pki/sign/server'",
    ),
    "a Sentinel policy, Vault": Example(
        SIGN, 403, EGP, F, PermissionDenied, 77, 'egp standard policy "root/hours"'
    ),
    "a policy without any path in the mount, Vault": Example(
        "sys/internal/ui/mounts/pki", 403, PREFLIGHT, F, PermissionDenied, 77,
        "nothing below 'pki/'"
    ),
    "a role": Example(
        SIGN, 400, "unknown role: server", Verdict.LAGGING, UnknownRole, 78, "pki/sign/server"
    ),
    "a mount": Example(
        SIGN, 404, 'no handler for route "pki/sign/server". route entry not found.',
        Verdict.LAGGING, UnknownMount, 78,
    ),
    "a mount, asked for by name": Example(
        "sys/mounts/pki", 400, "No secret engine mount at pki/", F, UnknownMount, 78
    ),
    "nothing there": Example(
        "pki/roles/x", 404, {"errors": []}, F, NotFound, 69, "Vault rejected pki/roles/x: HTTP 404"
    ),
    "a parameter": Example(
        "pki/config/issuers", 400, "Failed to parse default: not found", F, RequestRejected, 69
    ),
    "an internal error": Example(
        SIGN, 500, "1 error occurred:\n\t* no reply\n\n", F, VaultError, 69, "* no reply"
    ),
    # Refusals of the PKI engine to sign.
    "a name": Example(
        SIGN, 400, "subject alternate name web.example.org not allowed by this role", F,
        NameNotAllowed, 65, "does not allow the name 'web.example.org'",
    ),
    "a common name": Example(
        SIGN, 400, "common name Jörg Müller not allowed by this role", F, NameNotAllowed, 65,
        "does not allow the name 'Jörg Müller'",
    ),
    "an invalid name, Vault": Example(
        SIGN, 400,
        "subject alternate name a_b is not a valid DNS name and cannot be included as a SAN", F,
        NameNotAllowed, 65, "does not allow the name 'a_b'",
    ),
    "addresses": Example(
        SIGN, 400, f"{NO_ADDRESSES} via CSR", F, NameNotAllowed, 65, "allows no IP address"
    ),
    "addresses, Vault": Example(
        SIGN, 400, f"{NO_ADDRESSES} some via CSR", F, NameNotAllowed, 65, "allows no IP address"
    ),
    "addresses that are parameters, Vault": Example(
        SIGN, 400, f"{NO_ADDRESSES} [192.0.2.1 ::1]", F, NameNotAllowed, 65, "allows no IP address"
    ),
    "an address": Example(
        SIGN, 400, 'the IP address "192.0.2.1" is not allowed in this role', F, NameNotAllowed, 65,
        "does not allow the address 192.0.2.1",
    ),
    "a name that the CA may not sign, Vault": Example(
        SIGN, 500, f'{CONSTRAINED} DNS name "a.example" is not permitted by any constraint\n\n', F,
        NameNotAllowed, 65, "may not sign for 'a.example'",
    ),
    "an address that the CA may not sign, Vault": Example(
        SIGN, 500,
        f'{CONSTRAINED} IP address "10.1.2.3" is excluded by constraint "10.0.0.0/8"\n\n', F,
        NameNotAllowed, 65, "may not sign for '10.1.2.3'",
    ),
    "another key type": Example(
        SIGN, 400, "role requires keys of type rsa", F, KeyNotAllowed, 78, "another type of key"
    ),
    "a key that is too small": Example(
        SIGN, 400, "role requires a minimum of a 4096-bit key, but CSR's key is 2048 bits", F,
        KeyNotAllowed, 78, "requires a larger key",
    ),
    "no common name": Example(
        SIGN, 400,
        'the common_name field is required, or must be provided in a CSR with '
        '"use_csr_common_name" set to true, unless "require_cn" is set to false', F,
        CommonNameRequired, 78, "requires a common name",
    ),
    "a role with not_after": Example(
        SIGN, 400,
        "Either ttl or not_after should be provided. Both should not be provided in the same "
        "request.", F, TTLNotAllowed, 78, "has a fixed not_after",
    ),
    "an issuer that expires too soon": Example(
        SIGN, 400, f"{BEYOND} 2026-12-01T00:00:00Z", F, TTLNotAllowed, 78,
        "expires at 2026-12-01 00:00:00 UTC", headers=DATE,
    ),
    "an issuer that expires at an unreadable time": Example(
        SIGN, 400, f"{BEYOND} 99999-12-01T00:00:00Z", F, TTLNotAllowed, 78, "expires too soon",
        headers=DATE,
    ),
    "an issuer that expires too soon, without a Date": Example(
        SIGN, 400, f"{BEYOND} 2026-12-01T00:00:00Z", F, TTLNotAllowed, 78, "expires too soon",
        headers={"Date": "yesterday"},
    ),
    "an expired issuer": Example(
        SIGN, 400, f"{BEYOND} 2026-11-26T21:00:00Z", F, IssuerExpired, 78,
        "expired at 2026-11-26 21:00:00 UTC", headers=DATE,
    ),
    "an expired issuer that truncates, Vault": Example(
        SIGN, 400, "notAfter before notBefore", F, IssuerExpired, 78, "expired: notAfter"
    ),
    "an issuer that is too young, Vault": Example(
        SIGN, 400, "notBefore before signer's notBefore", F, IssuerTooNew, 75, "too new for"
    ),
    "no issuer": Example(
        SIGN, 500, f"{NO_CA} no default issuer currently configured\n\n", F, IssuerUnusable, 78,
        "no issuer that can sign",
    ),
    "an unknown issuer": Example(
        SIGN, 500, f"{NO_CA} unable to find PKI issuer for reference: gone\n\n", F,
        IssuerUnusable, 78, "no issuer that can sign",
    ),
    "an issuer without a key": Example(
        SIGN, 500,
        f"{NO_CA} unable to fetch corresponding key for issuer 1; unable to use this issuer for "
        "signing\n\n", F, IssuerUnusable, 78, "no issuer that can sign",
    ),
    "an issuer that may not sign": Example(
        SIGN, 500,
        "1 error occurred:\n\t* error fetching CA certificate: error while attempting to use "
        "issuer 1: requested usage issuing-certificates for issuer [id:1] but only had usage "
        "crl-signing,read-only\n\n", F, IssuerUnusable, 78, "no issuer that can sign",
    ),
    "any other refusal by the role": Example(
        SIGN, 400, "user_id alice is not allowed by this role", F, SigningRefused, 78,
        "refused to sign: user_id alice",
    ),
}  # fmt: skip


def fitting(example: Example) -> Row | None:
    """Return the row that decides, if one does."""
    answer = example.answer
    rows = table.rows(example.path, answer)
    words = answer.errors or (answer.text,)
    refusal = Refusal("POST", example.path, VAULT, answer.status, words, {})
    return next((row for row in rows if row.search(refusal)), None)


# Each example's text, to be used as a common name.
QUOTED = [it.said for it in EXAMPLES.values() if isinstance(it.said, str)]
SIGNING = {
    name: example for name, example in EXAMPLES.items() if fitting(example) in signing.SIGNING
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_answer_has_the_expected_meaning(example: Example) -> None:
    """Whether to retry, the error class, its exit status, and a message and hint."""
    meaning = table.read("POST", example.path, VAULT, example.answer)
    fault = meaning.fault
    assert (meaning.verdict, type(fault)) == (example.verdict, example.error)
    assert fault is not None
    assert fault.exit_status == example.exit_status
    assert example.words in fault.message
    assert fault.hint or isinstance(fault, LoginDenied | VaultError)


def test_answers_after_which_vault_may_have_acted() -> None:
    """A login or a new root is not requested again after one of these."""
    acted = {
        name
        for name, example in EXAMPLES.items()
        if table.read("POST", example.path, VAULT, example.answer).acted
    }
    assert acted == {
        "another web server",
        "another service",
        "another service, below sys",
        "another service's failure",
        "a load balancer without Vault",
        "the leader does not answer",
        "a leader that loses leadership",
        "a node that shuts down, or OpenBao 2.5.0",
        "an internal error, at a login",
        "a storage that hangs, at a login",
        "a failure while unwrapping",
        "an internal error",
    }


@pytest.mark.parametrize(
    ("end", "ttl"),
    [
        ("2026-12-06T22:30:59Z", "10d"),
        ("2026-12-06T22:59:59Z", "10d"),
        ("2026-12-06T23:01:00Z", "10d1h"),
        ("2026-11-27T00:00:10Z", "1h59m"),
        ("2026-11-26T22:50:10Z", "49m10s"),
        ("2026-11-26T22:00:30Z", "27s"),
    ],
)
def test_hint_suggests_the_longest_ttl_that_fits(end: str, ttl: str) -> None:
    """It is rounded, by the server's clock, and leaves up to a minute to paste the command."""
    answer = Answer(400, DATE, {"errors": [f"{BEYOND} {end}"]}, empty=False)
    fault = table.read("POST", SIGN, VAULT, answer).fault
    assert fault is not None
    assert fault.hint.startswith(f"use --ttl {ttl}, or ")


def test_every_row_of_the_table_has_an_example() -> None:
    """A row that no answer reaches is a mistake or untested."""
    reached = {fitting(example) for example in EXAMPLES.values()}
    rows = {*table.NOT_VAULT, *table.REDIRECTS, *table.VAULT}
    assert not rows - reached


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_text_without_its_status_decides_nothing(example: Example) -> None:
    """With another status, it is an ordinary failure."""
    answer = replace(
        example.answer, status=418, body={"errors": list(example.answer.errors)}, text=""
    )
    meaning = table.read("POST", example.path, VAULT, answer)
    assert meaning.verdict is F
    assert type(meaning.fault) is VaultError


@pytest.mark.parametrize("example", QUOTED, ids=str)
def test_common_name_that_quotes_another_refusal_is_still_refused_as_a_name(example: str) -> None:
    """Vault quotes the common name that it refuses, which may be any text."""
    said = f"common name {example} not allowed by this role"
    answer = Answer(400, {}, {"errors": [said]}, empty=False)
    meaning = table.read("POST", SIGN, VAULT, answer)
    assert (meaning.verdict, type(meaning.fault)) == (F, NameNotAllowed)


@pytest.mark.parametrize(
    ("path", "phrase"),
    [
        (SIGN, "common name "),
        (LOOKUP, "forwarding via header "),
        (LOOKUP, "preflight capability check "),
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_very_long_messages_are_read_in_part(path: str, phrase: str, status: int) -> None:
    """The search for a phrase must not take unbounded time."""
    answer = Answer(status, {}, {"errors": [phrase * 10, phrase * 100_000]}, empty=False)
    fault = table.read("POST", path, VAULT, answer).fault
    assert fault is not None
    assert phrase.strip() in fault.message
    assert len(fault.message) < 5000


@pytest.mark.parametrize("example", SIGNING.values(), ids=SIGNING)
def test_signing_refusals_apply_only_to_signing_paths(example: Example) -> None:
    """Elsewhere the same text comes from another engine or another command."""
    meaning = table.read("POST", "kv/data/x", VAULT, example.answer)
    expected = RequestRejected if example.answer.status == 400 else VaultError
    assert type(meaning.fault) is expected


def test_path_in_the_hint_is_not_url_encoded() -> None:
    """The hint is a line to paste into a policy."""
    answer = Answer(403, {}, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}, False)
    fault = table.read("GET", "pki%40a/roles/x", VAULT, answer).fault
    assert isinstance(fault, PermissionDenied)
    assert 'path "pki@a/roles/x" {' in fault.hint


def test_mount_path_with_a_sign_segment_is_parsed() -> None:
    """Only the last "sign/" counts, and the hint has the full mount path."""
    answer = Answer(400, {}, {"errors": ["a parameter of the role"]}, empty=False)
    assert type(table.read("POST", "a/sign/b/roles/x", VAULT, answer).fault) is RequestRejected
    none = Answer(500, {}, {"errors": [f"{NO_CA} no default issuer currently configured"]}, False)
    fault = table.read("POST", "a/sign/b/sign/server", VAULT, none).fault
    assert fault is not None
    assert "the role 'server'" in fault.message
    assert "`bao write a/sign/b/config/issuers " in fault.hint


@pytest.mark.parametrize(
    ("path", "status", "body", "empty"),
    [
        (SIGN, 200, {"request_id": "1", "data": {}}, False),
        (LOGIN, 200, {"auth": {}}, False),
        ("sys/leader", 200, {"is_self": True}, False),
        ("sys/health", 200, {"initialized": True}, False),
        ("pki/config/issuers", 204, None, True),
    ],
)
def test_answers_that_count_as_success(
    path: str, status: int, body: dict[str, Any] | None, empty: bool
) -> None:
    """It has one of Vault's keys, describes the server itself, or is empty."""
    meaning = table.read("POST", path, VAULT, Answer(status, {}, body, empty))
    assert meaning == table.Meaning(Verdict.FINAL)


@pytest.mark.parametrize(
    ("status", "acted"), [(503, False), (500, True), (502, True), (504, True)], ids=str
)
def test_failure_after_which_vault_may_have_acted(status: int, acted: bool) -> None:
    """After a gateway error nobody knows, so a one-time request is not repeated."""
    answer = Answer(status, {}, {"errors": ["no active Vault instance found"]}, empty=False)
    assert table.read("POST", SIGN, VAULT, answer).acted is acted


@pytest.mark.parametrize(
    ("header", "said", "wait"),
    [
        ({"Retry-After": "7"}, ["rate limit quota exceeded"], 7.0),
        ({"Retry-After": "soon"}, ["rate limit quota exceeded"], 0.0),
        ({}, ["rate limit quota exceeded"], 0.0),
        ({"Retry-After": "7"}, [], 0.0),
    ],
)
def test_wait_before_a_retry(header: dict[str, str], said: list[str], wait: float) -> None:
    """A rate limit's Retry-After is respected; a standby's is not, as it is behind for 0.1 s."""
    meaning = table.read("POST", SIGN, VAULT, Answer(429, header, {"errors": said}, empty=False))
    assert meaning.wait == wait
    assert meaning.fault is not None
    assert ("in 7 s" in meaning.fault.hint) is bool(wait)
