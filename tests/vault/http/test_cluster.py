"""Nodes with faults, alone and together with a healthy one."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.errors import (
    DockerTLSError,
    LeaseQuotaExceeded,
    NoLeader,
    NotInitialized,
    NotVault,
    RateLimited,
    UnknownHost,
    UnknownMount,
    UnknownRole,
    VaultError,
    VaultSealed,
    VaultUnreachable,
)
from dockertls_vault.vault.answers.meaning import Verdict
from dockertls_vault.vault.http import retry, sender, watch
from dockertls_vault.vault.http.cluster import Cluster
from dockertls_vault.vault.http.transport import LONGEST_BODY, Transport
from dockertls_vault.vault.session import open_session
from dockertls_vault.vault.token_info import lookup
from tests.vault.misbehaving import (
    Node,
    misbehaving,
    rate_limited,
    redirects_to,
    response,
    says,
    says_json,
)
from tests.vault.operator import Operator, ask_as_nobody, session, settings
from tests.vault.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.openbao import DevVault

    Answer = Callable[[Node, socket.socket], None]

# A call that ignored this budget would take longer than HANGS.
BUDGET = {"DOCKERTLS_TIMEOUT": "2s", "VAULT_CLIENT_TIMEOUT": "1s", "VAULT_TOKEN": "a-token"}
HANGS = 30.0
# For final answers, which end at once: even a busy machine has time to read them.
AMPLE = {"DOCKERTLS_TIMEOUT": "60s", "VAULT_CLIENT_TIMEOUT": "60s"}


def failure(answer: Answer, **variables: str) -> DockerTLSError:
    """Return the error of a call with this answer; it must not take long."""
    started = time.monotonic()
    with (
        misbehaving(answer) as node,
        session(node.address, Waits(), **{**BUDGET, **variables}) as opened,
        pytest.raises(DockerTLSError) as caught,
    ):
        lookup(opened)
    assert time.monotonic() - started < HANGS
    return caught.value


def test_gzip_bomb_is_refused() -> None:
    """The limit is on the unpacked size, and little more than that is held in memory."""
    bomb = response(gzip.compress(b" " * 32 * LONGEST_BODY), "200 OK", "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        found = failure(lambda _, connection: connection.sendall(bomb), **AMPLE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, NotVault)
    assert "is too large" in found.message
    assert peak < 4 * LONGEST_BODY


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Node.hangs, VaultUnreachable, "timed out"),
        (Node.drips_headers, VaultUnreachable, "timed out"),
        (Node.drips_body, VaultUnreachable, "timed out"),
        (Node.closes_mid_body, VaultUnreachable, "closed the connection unexpectedly"),
        (Node.answers_garbage, VaultUnreachable, "closed the connection unexpectedly"),
        (Node.redirects_in_a_circle, VaultError, "redirects again after a redirect"),
        (says("context canceled", status="500 Oops"), VaultError, "context canceled"),
        (rate_limited(10**6), RateLimited, "quota exceeded"),
        (says("Vault is sealed", status="503 Service Unavailable"), VaultSealed, "is sealed"),
        (
            says("local node not active but active cluster node not found", status="500 Oops"),
            NoLeader,
            "has no leader",
        ),
        (
            says("1 error occurred: * no reply", status="500 Oops"),
            VaultError,
            "1 error occurred: * no reply",
        ),
    ],
)
def test_each_fault_of_a_single_node_has_its_own_error(
    answer: Answer, kind: type[DockerTLSError], words: str
) -> None:
    """It is raised within the budget, and does not show the token."""
    found = failure(answer)
    assert type(found) is kind
    assert words in found.message
    assert found.hint
    assert "a-token" not in f"{found.message} {found.hint}"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Node.never_ends, "is too large"),
        (Node.answers_html, "like Vault (HTTP 200, text/html)"),
        (Node.answers_as_another_service, "like Vault (HTTP 404)"),
    ],
)
def test_server_that_is_not_vault_is_not_retried(answer: Answer, words: str) -> None:
    """The length of the budget does not matter."""
    found = failure(answer, **AMPLE)
    assert type(found) is NotVault
    assert words in found.message
    assert found.hint
    assert "a-token" not in f"{found.message} {found.hint}"


@pytest.mark.parametrize(
    "answer",
    [
        Node.hangs,
        Node.drips_headers,
        Node.closes_mid_body,
        Node.answers_garbage,
        Node.redirects_in_a_circle,
        says("Vault is sealed", status="503 Service Unavailable"),
        says("no active Vault instance found", status="503 Service Unavailable"),
    ],
)
def test_next_node_is_used_after_a_fault(
    openbao: DevVault, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    """The healthy server is second in the list and is asked first from then on."""
    with misbehaving(answer) as node:
        addresses = f"{node.address},{openbao.address}"
        with session(addresses, Waits(), VAULT_TOKEN=openbao.token) as opened:
            monkeypatch.setattr(retry, "ONE_TRY", 0.5)  # more with each round
            assert lookup(opened).policies == ("root",)
            monkeypatch.setattr(retry, "ONE_TRY", HANGS)
            asked = len(node.paths)
            assert lookup(opened).policies == ("root",)
    assert len(node.paths) == asked
    assert opened.address == openbao.address


def test_rate_limit_is_retried_with_backoff() -> None:
    """The request is repeated until the answer is no longer 429."""
    with misbehaving(rate_limited(3)) as node, session(node.address, VAULT_TOKEN="t") as opened:
        assert lookup(opened).display_name == "after all"
    assert len(node.paths) == 5  # including the wrapping lookup


@pytest.mark.parametrize(
    "answer",
    [
        Node.answers_html,
        Node.answers_as_another_service,
        says_json({"message": "welcome"}),
        redirects_to(""),
        redirects_to("ldap://127.0.0.1:1/"),
        redirects_to("http://127.0.0.1:1/v1/auth/token/lookup-self"),
    ],
)
@pytest.mark.parametrize("retries", ["0", "2"])
def test_server_that_is_not_vault_is_skipped(
    openbao: DevVault, answer: Answer, retries: str
) -> None:
    """The second address is tried at once, even with VAULT_MAX_RETRIES=0."""
    with misbehaving(answer) as node:
        addresses = f"{node.address},{openbao.address}"
        variables = {"VAULT_TOKEN": openbao.token, "VAULT_MAX_RETRIES": retries}
        with session(addresses, **variables) as opened:
            assert lookup(opened).policies == ("root",)
    assert len(node.paths) == 1


def test_standby_is_skipped_if_redirects_are_disabled(openbao: DevVault) -> None:
    """With VAULT_DISABLE_REDIRECTS, the second address answers."""
    answer = redirects_to("http://127.0.0.1:1/v1/auth/token/lookup-self")
    with misbehaving(answer) as node:
        addresses = f"{node.address},{openbao.address}"
        variables = {"VAULT_TOKEN": openbao.token, "VAULT_DISABLE_REDIRECTS": "1"}
        with session(addresses, **variables) as opened:
            assert lookup(opened).policies == ("root",)


@pytest.mark.parametrize("retries", [{}, {"VAULT_MAX_RETRIES": "0"}])
def test_node_that_hangs_gets_half_of_a_short_budget(retries: dict[str, str]) -> None:
    """The rest is left for the second address."""
    with misbehaving(Node.hangs) as node, misbehaving(Node.hangs) as other:
        addresses = f"{node.address},{other.address}"
        variables = {"VAULT_TOKEN": "t", "DOCKERTLS_TIMEOUT": "1s", **retries}
        with (
            session(addresses, Waits(), **variables) as opened,
            pytest.raises(VaultUnreachable, match="timed out"),
        ):
            ask_as_nobody(opened)
    assert (len(node.paths), len(other.paths)) == (1, 1)


@pytest.mark.parametrize("nodes", [1, 2])
def test_slow_node_gets_enough_time(monkeypatch: pytest.MonkeyPatch, nodes: int) -> None:
    """A single node gets the whole budget; of several, each gets more in each round."""
    monkeypatch.setattr(retry, "ONE_TRY", 0.2)

    def answer(node: Node, connection: socket.socket) -> None:
        node.over.wait(1.0)
        connection.sendall(response({"data": {"display_name": "at last"}}))

    with misbehaving(answer) as first, misbehaving(answer) as second:
        addresses = ",".join([first.address, second.address][:nodes])
        with session(addresses, Waits(), VAULT_TOKEN="t") as opened:
            assert ask_as_nobody(opened) == {"display_name": "at last"}
    assert len(first.paths) == 1 or nodes == 2


@pytest.mark.parametrize(
    ("verdict", "answer", "hint"),
    [
        (Verdict.REDIRECT, Node.redirects_in_a_circle, "api_addr"),
        (Verdict.BRIEFLY, says("context canceled", status="500 Oops"), "OpenBao 2.5.0"),
    ],
)
def test_faults_of_an_election_are_retried_for_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, answer: Answer, hint: str
) -> None:
    """Not for the whole budget, since no election lasts longer; scaled to 0.5 s here."""
    patience = sender.PATIENCE[verdict]
    monkeypatch.setitem(sender.PATIENCE, verdict, patience / 20)
    found = failure(answer, DOCKERTLS_TIMEOUT="300s")
    assert patience == 10
    assert hint in found.hint


@pytest.mark.parametrize(
    ("host", "tries"), [("127.0.0.1", 1), ("localhost", 1), ("vault.example", 3)]
)
def test_refused_connection_is_retried_except_on_loopback(
    monkeypatch: pytest.MonkeyPatch, host: str, tries: int
) -> None:
    """On loopback it is final if there is no other address."""
    asked: list[object] = []

    def resolve(host: object, *_arguments: object, **_options: object) -> object:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        session(f"http://{host}", Waits(), VAULT_TOKEN="t", VAULT_MAX_RETRIES="2") as opened,
        pytest.raises(VaultUnreachable, match="refused the connection"),
    ):
        ask_as_nobody(opened)
    assert asked == [host] * tries


def test_rate_limit_is_not_evaded_through_other_nodes() -> None:
    """They are not asked while one node is rate limited."""
    with misbehaving(rate_limited(3)) as node, misbehaving(Node.hangs) as other:
        addresses = f"{node.address},{other.address}"
        with session(addresses, VAULT_TOKEN="t") as opened:
            assert ask_as_nobody(opened) == {"display_name": "after all"}
    assert (len(node.paths), other.paths) == (4, [])


def test_retry_after_beyond_the_budget_is_not_waited_for() -> None:
    """The hint says how long Vault asks to wait."""

    def answer(_node: Node, connection: socket.socket) -> None:
        errors = {"errors": ["request path quota: rate limit quota exceeded"]}
        connection.sendall(response(errors, "429 Too Many Requests", "Retry-After: 600"))

    found = failure(answer, DOCKERTLS_TIMEOUT="300s")
    assert isinstance(found, RateLimited)
    assert found.hint == "try again in 600 s, as Vault requests"


def test_lease_count_quota_is_not_retried() -> None:
    """It clears only when leases end."""
    with (
        misbehaving(
            says('request path "x": lease count quota exceeded', status="429 Oops")
        ) as node,
        session(node.address, Waits(), **BUDGET) as opened,
        pytest.raises(LeaseQuotaExceeded),
    ):
        lookup(opened)
    assert len(node.paths) == 1


def test_max_retries_zero_is_one_attempt() -> None:
    """VAULT_MAX_RETRIES=0 turns retries off."""
    with (
        misbehaving(rate_limited(3)) as node,
        session(node.address, VAULT_TOKEN="t", VAULT_MAX_RETRIES="0") as opened,
        pytest.raises(RateLimited),
    ):
        lookup(opened)
    assert len(node.paths) == 1


def test_budget_is_shared_by_all_calls() -> None:
    """The second call gets what the first one left, which is next to nothing."""
    with misbehaving(Node.hangs) as node, session(node.address, Waits(), **BUDGET) as opened:
        with pytest.raises(VaultUnreachable):
            lookup(opened)
        asked = len(node.paths)
        with pytest.raises(VaultUnreachable):
            lookup(opened)
    assert len(node.paths) == asked + 1


def test_redirect_to_a_dead_leader_is_retried_at_the_standby(openbao: DevVault) -> None:
    """By then it knows the new leader."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def standby(node: Node, connection: socket.socket) -> None:
        target = dead if len(node.paths) < 3 else openbao.address
        location = f"Location: {target}{node.paths[-1]}"
        connection.sendall(response({}, "307 Temporary Redirect", location))

    with (
        misbehaving(standby) as node,
        session(node.address, VAULT_TOKEN=openbao.token) as opened,
    ):
        assert lookup(opened).policies == ("root",)
    assert len(node.paths) == 4  # including the wrapping lookup


@pytest.mark.parametrize(
    ("variables", "location", "words"),
    [
        ({"VAULT_DISABLE_REDIRECTS": "1"}, "http://127.0.0.1:1/", "VAULT_DISABLE_REDIRECTS"),
        ({}, "ldap://127.0.0.1:1/", "invalid redirect"),
        ({}, "", "invalid redirect"),
    ],
)
def test_redirect_that_is_not_followed_is_final(
    variables: dict[str, str], location: str, words: str
) -> None:
    """It is an error at once."""
    variables = {**variables, "DOCKERTLS_TIMEOUT": "300s"}
    assert words in failure(redirects_to(location), **variables).message


def sealed(init: Answer) -> Answer:
    """Return a sealed node's answers; ``init`` is its answer to sys/init."""
    refuse = says("Vault is sealed", status="503 Service Unavailable")

    def answer(node: Node, connection: socket.socket) -> None:
        (init if node.paths[-1] == "/v1/sys/init" else refuse)(node, connection)

    return answer


def test_uninitialized_server_is_not_retried() -> None:
    """It reports itself as sealed; sys/init tells the two apart."""
    found = failure(sealed(says_json({"initialized": False})), DOCKERTLS_TIMEOUT="60s")
    assert isinstance(found, NotInitialized)


def test_sys_init_is_read_once_per_sealed_node() -> None:
    """The answer cannot change back, so each later attempt is a single request."""
    with (
        misbehaving(sealed(says_json({"initialized": True}))) as node,
        session(node.address, Waits(), VAULT_TOKEN="t", VAULT_MAX_RETRIES="2") as opened,
        pytest.raises(VaultSealed),
    ):
        ask_as_nobody(opened)
    asked = "/v1/auth/token/lookup-self"
    assert node.paths == [asked, "/v1/sys/init", asked, asked]


def test_sys_init_is_read_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets no time of its own if the node hangs."""
    monkeypatch.setattr(retry, "ONE_TRY", 10 * HANGS)
    assert isinstance(failure(sealed(Node.hangs)), VaultSealed)


def test_interrupted_wait_is_reported_as_over() -> None:
    """Otherwise a spinner would leave the cursor hidden."""
    waits = Waits()

    opened = open_session(settings("http://127.0.0.1:1", VAULT_TOKEN="t"), progress=waits)
    with stop.heeded() as asked, opened:
        asked.request()
        with pytest.raises(stop.Stopped):
            opened.wait(1, "waiting: for the issuer")
    assert waits.told == ["waiting: for the issuer", None]


def test_sealed_node_is_reported_rather_than_one_that_is_down() -> None:
    """It is the more specific fault."""
    with misbehaving(sealed(says_json({"initialized": True}))) as node:
        variables = {**BUDGET, "VAULT_ADDR": f"{node.address},http://127.0.0.1:1"}
        with (
            session(node.address, Waits(), **variables) as opened,
            pytest.raises(VaultSealed),
        ):
            lookup(opened)


def test_unknown_host_name_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error differs from that of a server that is down."""
    asked: list[object] = []

    def resolve(host: object, *_arguments: object, **_options: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        session("http://nowhere.invalid", Waits(), VAULT_TOKEN="t") as opened,
        pytest.raises(UnknownHost, match=r"the host in http://nowhere\.invalid does not exist"),
    ):
        lookup(opened)
    assert asked == ["nowhere.invalid"]


def test_other_thread_uses_the_same_node_with_its_own_budget() -> None:
    """The time it takes does not count against the budget of the first, which waits for it."""
    found = settings("http://127.0.0.1:1,http://127.0.0.1:2", DOCKERTLS_TIMEOUT="10s")
    first = Cluster(found, sender.Sender(found, Transport(found)), watch.Unwatched())
    first.allow(5.0)
    other = first.for_another_thread()
    other.allow(1.0)
    with first.spending() as left, other.spending() as lefts:
        assert (left, lefts) == (5.0, 1.0)
    assert first.for_another_thread().address == first.address
    with first.for_another_thread().spending() as copied:
        assert 0 < copied <= 5.0


def test_long_wait_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has the cause, and then the end of the wait."""
    monkeypatch.setattr(watch, "PATIENCE", 0.1)
    waits = Waits()
    environ = {"VAULT_TOKEN": "t", "VAULT_MAX_RETRIES": "3"}
    opened = open_session(
        settings("http://127.0.0.1:1,http://127.0.0.1:2", **environ),
        progress=waits,
    )
    with opened, pytest.raises(VaultUnreachable):
        lookup(opened)
    assert "waiting for Vault: http://127.0.0.1:1 refused the connection" in waits.told
    assert waits.told[-1] is None


def test_slow_node_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it answers: with no other node to ask, it may use the whole budget."""
    monkeypatch.setattr(watch, "PATIENCE", 0.1)
    waits = Waits()
    with misbehaving(Node.hangs) as node:
        environ = {"VAULT_TOKEN": "t", "DOCKERTLS_TIMEOUT": "1s"}
        opened = open_session(settings(node.address, **environ), progress=waits)
        with opened, pytest.raises(VaultUnreachable):
            ask_as_nobody(opened)
    assert waits.told == [f"waiting for Vault: {node.address} has not answered yet", None]
    assert node.paths == ["/v1/auth/token/lookup-self"]


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("nowhere/at/all/sign/server", UnknownMount, "nowhere/at/all/sign/server"),
        ("{pki}/sign/nobody", UnknownRole, "nobody"),
    ],
)
def test_missing_mount_or_role_is_not_retried(
    openbao: DevVault,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    kind: type[DockerTLSError],
    words: str,
) -> None:
    """Only our own writes may not have reached a standby yet; a login is not one."""
    operator = Operator.of(openbao)
    pki = operator.enable_pki()
    mount = operator.enable_auth("userpass")
    policy = operator.policy('path "*" { capabilities = ["create", "update", "read", "list"] }')
    user = {"password": "s3cret", "token_policies": policy, "token_ttl": "5m"}
    operator.write(f"auth/{mount}/users/alice", user)
    variables = {
        "DOCKERTLS_AUTH": "userpass",
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_AUTH_USER": "alice",
    }
    with session(openbao.address, None, lambda _: "s3cret", **variables) as opened:
        lookup(opened)
        monkeypatch.setattr(retry, "pause", lambda *_: pytest.fail("it is asked for again"))
        with pytest.raises(kind, match=words):
            opened.client.adapter.post(f"/v1/{path.format(pki=pki)}", json={"csr": "x"})
