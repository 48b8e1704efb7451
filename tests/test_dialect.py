"""The dialects answer as HashiCorp Vault does: one test per difference, and one for the rest."""

from __future__ import annotations

import http.client
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .harness.dialect.proxy import speaking
from .vault.operator import LIMIT, Operator

if TYPE_CHECKING:
    from .harness.openbao import DevVault

_BOTH = ("vault_community", "vault_enterprise")
_OLD = {"not_before_duration": "1h"}  # of a root that may sign from the start
_GO = "x509: a root or intermediate certificate is not authorized to sign for this name: "


@pytest.fixture(params=_BOTH, ids=["community", "enterprise"])
def vault(request: pytest.FixtureRequest) -> Operator:
    """Return the operator of each dialect in turn."""
    return Operator.of(request.getfixturevalue(request.param))


@pytest.fixture
def community(vault_community: DevVault) -> Operator:
    """Return the operator of Vault Community."""
    return Operator.of(vault_community)


@pytest.fixture
def enterprise(vault_enterprise: DevVault) -> Operator:
    """Return the operator of Vault Enterprise."""
    return Operator.of(vault_enterprise)


@pytest.fixture
def bao(openbao: DevVault) -> Operator:
    """Return the operator of OpenBao itself, for comparison."""
    return Operator.of(openbao)


def mounted(operator: Operator, **root: Any) -> str:
    """Mount a PKI engine with a root and a role ``any`` for all names; return its path."""
    mount = f"pki-{secrets.token_hex(4)}"
    operator.write(f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    asked = {"common_name": "root", "issuer_name": "root-1", "key_type": "ec", "ttl": "8760h"}
    operator.write(f"{mount}/issuers/generate/root/internal", {**asked, **root})
    role = {"allow_any_name": True, "key_type": "any", "require_cn": False, "use_csr_sans": False}
    operator.write(f"{mount}/roles/any", {**role, "not_before_duration": "5m"})
    return mount


def sign(operator: Operator, mount: str, **asked: Any) -> tuple[int, dict[str, Any]]:
    """Sign a certificate for the given ``alt_names`` and ``ip_sans``."""
    return operator.call("POST", f"{mount}/sign/any", {"csr": request_pem(), **asked})


def request_pem() -> str:
    """Return a CSR without particular requests."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def load(pem: str) -> x509.Certificate:
    """Return the first certificate of a text."""
    return x509.load_pem_x509_certificates(pem.encode())[0]


def exchange(
    operator: Operator, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return the status, headers and raw body; ``_`` in ``headers`` stands for ``-``."""
    parts = urlsplit(operator.address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=LIMIT)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content = None if body is None else json.dumps(body)
    with closing(connection):
        connection.request(
            method, f"/v1/{path}", content, {"X-Vault-Token": operator.token, **sent}
        )
        answer = connection.getresponse()
        return answer.status, answer.msg, answer.read()


class TestLeafOlderThanItsIssuer:
    """Row 1: Vault signs nothing whose validity begins before its issuer's."""

    def test_older_leaf_is_refused(self, vault: Operator) -> None:
        """A role that backdates by 5 min under a root that is backdated by 30 s."""
        status, answer = sign(vault, mounted(vault), alt_names="a.example")
        assert (status, answer["errors"]) == (400, ["notBefore before signer's notBefore"])

    def test_openbao_signs_it(self, bao: Operator) -> None:
        """Without the dialect there is no such refusal."""
        assert sign(bao, mounted(bao), alt_names="a.example")[0] == 200

    def test_leaf_as_old_as_its_issuer_is_signed(self, vault: Operator) -> None:
        """Only the dates count."""
        mount = mounted(vault, not_before_duration="5m")
        assert sign(vault, mount, alt_names="a.example")[0] == 200

    def test_older_intermediate_is_refused(self, vault: Operator) -> None:
        """Intermediates are no exception."""
        body = {"csr": request_pem(), "common_name": "x", "not_before_duration": "1h"}
        status, _ = vault.call("POST", f"{mounted(vault)}/root/sign-intermediate", body)
        assert status == 400


class TestHealth:
    """Vault says in sys/health which edition it is, which OpenBao does not."""

    def test_health_has_the_edition_and_the_version(
        self, community: Operator, enterprise: Operator, bao: Operator
    ) -> None:
        """No token is needed; OpenBao has another version and no edition."""
        told = [each.call("GET", "sys/health")[1] for each in (community, enterprise, bao)]
        assert [each.get("enterprise") for each in told] == [False, True, None]
        assert [each["version"] for each in told[:2]] == ["1.21.1", "1.21.1+ent"]


class TestHeadersOfAReplicatedCluster:
    """Row 2: which server returns an index, and which forwards on request."""

    def test_forwarding_is_forbidden(self, vault: Operator) -> None:
        """The listener's configuration forbids it, which is checked first."""
        header = {"X_Vault_Inconsistent": "forward-active-node"}
        status, answer = vault.call("GET", "sys/health", **header)
        assert status == 400
        (words,) = answer["errors"]
        assert words.startswith("forwarding via header X-Vault-Inconsistent")
        assert words.endswith("disabled in configuration")

    def test_enterprise_returns_its_index_with_each_write(self, enterprise: Operator) -> None:
        """With logins, too, but not with reads; it accepts the index back."""
        mount = enterprise.enable_auth("userpass")
        enterprise.write(f"auth/{mount}/users/alice", {"password": "x"})
        login = f"auth/{mount}/login/alice"
        status, headers, _ = exchange(enterprise, "POST", login, {"password": "x"})
        assert (status, headers["X-Vault-Index"] is not None) == (200, True)
        known = {"X_Vault_Index": headers["X-Vault-Index"]}
        status, headers, _ = exchange(enterprise, "GET", f"auth/{mount}/users/alice", **known)
        assert (status, headers["X-Vault-Index"]) == (200, None)

    def test_community_returns_no_index(self, community: Operator) -> None:
        """Nor does OpenBao with in-memory storage, so no rule is needed."""
        mount = community.enable_auth("userpass")
        assert "X-Vault-Index" not in exchange(community, "POST", f"sys/auth/{mount}/tune")[1]


class TestNameConstraints:
    """Row 3: a name that the CA may not sign gives an untyped 500 with Go's message."""

    @pytest.mark.parametrize(
        ("constraints", "asked", "words"),
        [
            ({"permitted_dns_domains": "a.example"}, {"alt_names": "x.a.example"}, None),
            ({"permitted_dns_domains": "a.example"}, {"alt_names": "a.example"}, None),
            (
                {"permitted_dns_domains": "a.example"},
                {"alt_names": "xa.example"},
                'DNS name "xa.example" is not permitted by any constraint',
            ),
            ({"permitted_dns_domains": "a.example"}, {"ip_sans": "192.0.2.1"}, None),
            (
                {"excluded_dns_domains": "b.example"},
                {"alt_names": "x.b.example"},
                'DNS name "x.b.example" is excluded by constraint "b.example"',
            ),
            ({"permitted_ip_ranges": ["10.0.0.0/8", "fd00::/8"]}, {"ip_sans": "10.1.2.3"}, None),
            ({"permitted_ip_ranges": ["10.0.0.0/8", "fd00::/8"]}, {"ip_sans": "fd00::1"}, None),
            (
                {"permitted_ip_ranges": ["10.0.0.0/8"]},
                {"ip_sans": "192.0.2.1"},
                'IP address "192.0.2.1" is not permitted by any constraint',
            ),
            (
                {"excluded_ip_ranges": "10.0.0.0/8"},
                {"ip_sans": "10.1.2.3"},
                'IP address "10.1.2.3" is excluded by constraint "10.0.0.0/8"',
            ),
        ],
    )
    def test_constraints_are_enforced(
        self,
        vault: Operator,
        constraints: dict[str, Any],
        asked: dict[str, str],
        words: str | None,
    ) -> None:
        """Domains and addresses, permitted and excluded."""
        mount = mounted(vault, **constraints, **_OLD)
        status, answer = sign(vault, mount, **asked)
        if words is None:
            assert status == 200
        else:
            assert status == 500
            assert answer["errors"] == [f"1 error occurred:\n\t* {_GO}{words}\n\n"]

    def test_openbao_signs_it(self, bao: Operator) -> None:
        """Every client would refuse the certificate."""
        mount = mounted(bao, permitted_dns_domains="a.example")
        assert sign(bao, mount, alt_names="b.example")[0] == 200

    def test_roots_constraints_apply_below_an_intermediate(self, vault: Operator) -> None:
        """The constraints of the whole path count."""
        mount = mounted(vault, permitted_dns_domains="a.example", **_OLD)
        asked = {"common_name": "below", "key_type": "ec"}
        made = vault.write(f"{mount}/issuers/generate/intermediate/internal", asked)["data"]
        body = {"csr": made["csr"], "common_name": "below", "not_before_duration": "30m"}
        below = vault.write(f"{mount}/root/sign-intermediate", {**body, "ttl": "700h"})["data"]
        pem = {"pem_bundle": below["certificate"]}
        (issuer,) = vault.write(f"{mount}/issuers/import/cert", pem)["data"]["imported_issuers"]
        body = {"csr": request_pem(), "alt_names": "b.example", "ttl": "1h"}
        status, _ = vault.call("POST", f"{mount}/issuer/{issuer}/sign/any", body)
        assert status == 500


class TestTokens:
    """Row 4: the message says what is wrong with a token."""

    def test_unknown_token_gives_two_errors(self, vault: Operator) -> None:
        """The second one distinguishes it from a policy."""
        status, answer = Operator(vault.address, "nobody").call("GET", "auth/token/lookup-self")
        words = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
        assert (status, answer["errors"]) == (403, [words])

    def test_token_without_permission_gives_one_error(self, vault: Operator) -> None:
        """This is the same as in OpenBao."""
        token = vault.create_token(policies=["default"])
        status, answer = Operator(vault.address, token).call("GET", "sys/mounts")
        words = "1 error occurred:\n\t* permission denied\n\n"
        assert (status, answer["errors"]) == (403, [words])

    def test_missing_token_error_does_not_mention_tokens(self, vault: Operator) -> None:
        """The message is only "permission denied"."""
        status, answer = Operator(vault.address, "").call("POST", "auth/nowhere/login")
        assert (status, answer["errors"]) == (403, ["permission denied"])


class TestRoles:
    """Row 5: parameters that only one of the two servers knows."""

    ASKED: ClassVar = {
        "allowed_domains": ["a.example"],
        "allowed_ip_sans_cidr": ["10.0.0.0/8"],
        "not_after_bound": "ttl-limited",
        "not_before": "2026-01-01T00:00:00Z",
        "not_before_bound": "duration",
        "nobody_knows": 1,
        "serial_number_source": "json",
    }

    def test_parameters_of_openbao_are_dropped_with_a_warning(self, vault: Operator) -> None:
        """One warning names all unknown ones; they are not read back."""
        mount = mounted(vault)
        answer = vault.write(f"{mount}/roles/r", self.ASKED)
        dropped = "allowed_ip_sans_cidr nobody_knows not_after_bound not_before not_before_bound"
        warning = f"Endpoint ignored these unrecognized parameters: [{dropped}]"
        assert answer["warnings"] == [warning]
        read = vault.read(f"{mount}/roles/r")
        assert answer["data"] == read
        assert read["allowed_domains"] == ["a.example"]
        assert not read.keys() & set(dropped.split())

    def test_parameters_of_vault_are_kept(self, vault: Operator) -> None:
        """They are read back as written; PATCH keeps what it omits, POST does not."""
        path = f"{mounted(vault)}/roles/r"
        vault.write(path, {"serial_number_source": "json"})
        kept = {"serial_number_source": "json", "no_store_metadata": False}
        assert kept.items() <= vault.read(path).items()
        merge = {"Content_Type": "application/merge-patch+json"}
        status, _ = vault.call("PATCH", path, {"no_store_metadata": True}, **merge)
        assert status == 200
        assert (kept | {"no_store_metadata": True}).items() <= vault.read(path).items()
        vault.write(path, {"ttl": "1h"})
        assert vault.read(path)["serial_number_source"] == "json-csr"

    def test_roles_of_other_engines_are_not_changed(self, vault: Operator) -> None:
        """A token role has no such parameters."""
        vault.write("auth/token/roles/r", {"orphan": True})
        assert "serial_number_source" not in vault.read("auth/token/roles/r")


def test_intermediate_is_truncated_to_its_issuer(vault: Operator) -> None:
    """Row 6: its notAfter is cut, with a warning."""
    mount = mounted(vault, **_OLD)
    asked = {"csr": request_pem(), "common_name": "below", "ttl": "80000h"}
    answer = vault.write(f"{mount}/root/sign-intermediate", asked)
    made, issuer = (load(answer["data"][name]) for name in ("certificate", "issuing_ca"))
    assert made.not_valid_after_utc == issuer.not_valid_after_utc
    assert any("truncated to the issuer's notAfter" in warning for warning in answer["warnings"])


def test_intermediate_that_ends_sooner_is_not_truncated(vault: Operator) -> None:
    """There is no warning either."""
    asked = {"csr": request_pem(), "common_name": "below", "ttl": "100h"}
    answer = vault.write(f"{mounted(vault, **_OLD)}/root/sign-intermediate", asked)
    made = load(answer["data"]["certificate"])
    assert made.not_valid_after_utc - made.not_valid_before_utc < timedelta(hours=101)
    assert not any("truncated" in warning for warning in answer["warnings"])


def test_root_accepts_all_name_constraints(vault: Operator) -> None:
    """Row 7: the root has the requested name, default, key and constraints."""
    mount = mounted(
        vault,
        permitted_dns_domains="a.example",
        permitted_ip_ranges="10.0.0.0/8",
        excluded_dns_domains=["x.a.example"],
        excluded_ip_ranges=["10.9.0.0/16"],
        **_OLD,
    )
    issuer = vault.read(f"{mount}/issuer/root-1")
    assert issuer["key_id"]
    assert vault.read(f"{mount}/config/issuers")["default"] == issuer["issuer_id"]
    assert len(vault.read(f"{mount}/issuers?list=true")["keys"]) == 1
    extension = load(issuer["certificate"]).extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert extension.value == x509.NameConstraints(
        [x509.DNSName("a.example"), x509.IPAddress(ip_network("10.0.0.0/8"))],
        [x509.DNSName("x.a.example"), x509.IPAddress(ip_network("10.9.0.0/16"))],
    )


def test_key_of_a_constrained_root_is_returned_only_if_exported(vault: Operator) -> None:
    """``exported`` returns it, ``internal`` does not."""
    mount = mounted(vault)
    root = {"common_name": "other", "key_type": "ec", "permitted_ip_ranges": "10.0.0.0/8"}
    for kind, shown in (("internal", False), ("exported", True)):
        made = vault.write(f"{mount}/issuers/generate/root/{kind}", root)["data"]
        assert ("private_key" in made, "private_key_type" in made) == (shown, shown)


def test_openbao_drops_address_constraints(bao: Operator) -> None:
    """So such a root has to be signed elsewhere."""
    issuer = bao.read(f"{mounted(bao, permitted_ip_ranges='10.0.0.0/8')}/issuer/root-1")
    with pytest.raises(x509.ExtensionNotFound):
        load(issuer["certificate"]).extensions.get_extension_for_class(x509.NameConstraints)


def test_community_ignores_a_namespace(community: Operator) -> None:
    """Row 8: it ignores even one that does not exist."""
    namespace = {"X_Vault_Namespace": "nowhere"}
    status, answer = community.call("GET", "auth/token/lookup-self", **namespace)
    assert (status, answer["data"]["policies"]) == (200, ["root"])


def test_enterprise_has_namespaces(enterprise: Operator) -> None:
    """A mount in one does not exist in the other."""
    name = f"team-{secrets.token_hex(4)}"
    enterprise.write(f"sys/namespaces/{name}")
    namespace = {"X_Vault_Namespace": name}
    enterprise.write("sys/mounts/pki", {"type": "pki"}, **namespace)
    assert enterprise.call("GET", "sys/mounts/pki", **namespace)[0] == 200
    assert enterprise.call("GET", "sys/mounts/pki")[0] == 400
    assert enterprise.call("GET", "sys/mounts/pki", X_Vault_Namespace="nowhere")[0] == 404


def test_lease_count_quota_clears_when_a_token_is_revoked(enterprise: Operator) -> None:
    """Row 9: one login is allowed at a time; elsewhere there is no quota."""
    limited, free = enterprise.enable_auth("userpass"), enterprise.enable_auth("userpass")
    for mount in (limited, free):
        enterprise.write(f"auth/{mount}/users/alice", {"password": "x"})
    quota = {"path": f"auth/{limited}/", "max_leases": 1}
    enterprise.write(f"sys/quotas/lease-count/{limited}", quota)

    def log_in(mount: str) -> tuple[int, dict[str, Any]]:
        return enterprise.call("POST", f"auth/{mount}/login/alice", {"password": "x"})

    _, first = log_in(limited)
    for _ in range(2):
        status, answer = log_in(limited)
        assert status == 429
        words = f'request path "auth/{limited}/login/alice": lease count quota exceeded'
        assert answer["errors"] == [f"1 error occurred:\n\t* {words}\n\n"]
    assert log_in(free)[0] == 200
    token = first["auth"]["client_token"]
    Operator(enterprise.address, token).write("auth/token/revoke-self")
    assert log_in(limited)[0] == 200


def test_warnings_about_a_ca_are_the_same(vault: Operator, bao: Operator) -> None:
    """Row 10: AIA, the path length, and names of the CSR that a role ignores."""

    def warnings(operator: Operator) -> list[list[str]]:
        mount = mounted(operator, **_OLD)
        root = {"common_name": "x", "key_type": "ec", "max_path_length": 0}
        made = operator.write(f"{mount}/issuers/generate/root/internal", root)
        role = {"allow_any_name": True, "key_type": "any", "use_csr_sans": False}
        operator.write(f"{mount}/roles/any", {**role, "use_csr_common_name": False})
        named = operator.write(f"{mount}/sign/any", {"csr": request_pem(), "common_name": "a.b"})
        return [made["warnings"], named["warnings"]]

    assert warnings(vault) == warnings(bao)
    assert any("Max path length" in warning for warning in warnings(bao)[0])


class TestTheRest:
    """Everything that no row mentions is OpenBao's behavior."""

    @pytest.mark.parametrize("path", ["auth/token/roles?list=true", "sys/policies/acl?list=true"])
    def test_list_is_a_method_or_a_query(self, vault: Operator, path: str) -> None:
        """Vault defines the method LIST."""
        vault.write("auth/token/roles/listed", {"orphan": True})
        by_query = vault.call("GET", path)
        by_verb = vault.call("LIST", path.partition("?")[0])
        assert by_query[0] == by_verb[0] == 200
        assert by_query[1]["data"]["keys"] == by_verb[1]["data"]["keys"]

    def test_head_has_no_body(self, vault: Operator) -> None:
        """The connection can be reused."""
        parts = urlsplit(vault.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=LIMIT)
        with closing(connection):
            for method, empty in (("HEAD", True), ("GET", False), ("HEAD", True)):
                connection.request(method, "/v1/sys/health")
                answer = connection.getresponse()
                assert (answer.status, answer.read() == b"") == (200, empty)

    def test_204_has_no_body(self, vault: Operator) -> None:
        """It has no Content-Length either."""
        status, headers, body = exchange(vault, "DELETE", "sys/policies/acl/nobodys")
        assert (status, headers["Content-Length"], body) == (204, None, b"")

    def test_failure_is_passed_on(self, vault: Operator, bao: Operator) -> None:
        """Its status and body are unchanged."""
        for method, path in (("GET", "nowhere/x"), ("POST", "pki/sign/x"), ("DELETE", "sys/x")):
            assert vault.call(method, path) == bao.call(method, path)

    def test_concurrent_requests_do_not_block_each_other(self, vault: Operator) -> None:
        """Each connection has its own thread."""
        mount = mounted(vault, **_OLD)
        with ThreadPoolExecutor(8) as pool:
            signed = pool.map(lambda n: sign(vault, mount, alt_names=f"h{n}.example")[0], range(32))
        assert set(signed) == {200}

    def test_server_that_is_down_is_a_bad_gateway(self) -> None:
        """The message is not Vault's."""
        with speaking((), "http://127.0.0.1:1") as address:
            status, _, body = exchange(Operator(address, "t"), "GET", "sys/health")
        assert status == 502
        assert b"<html" in body.lower()
