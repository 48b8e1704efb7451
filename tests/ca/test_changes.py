"""Differences between two roles, whether they restrict or widen, and their text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dockertls_vault.ca.changes import Change, describe_change, describe_effect, differences
from dockertls_vault.vault import roles
from dockertls_vault.vault.roles import CLIENT

SERVER = roles.server(
    None,
    domains=("a.test",),
    remove_domains=(),
    allow_any_name=False,
    allow_bare_domains=None,
    allow_localhost=None,
)
# A role created without parameters, as OpenBao 2.7 returns it.
PLAIN: roles.Role = {
    "allow_any_name": False,
    "allow_bare_domains": False,
    "allow_glob_domains": False,
    "allow_ip_sans": True,
    "allow_localhost": True,
    "allow_subdomains": False,
    "allow_wildcard_certificates": True,
    "allowed_domains": [],
    "allowed_domains_template": False,
    "allowed_other_sans": [],
    "allowed_serial_numbers": [],
    "allowed_uri_sans": [],
    "allowed_uri_sans_template": False,
    "allowed_user_ids": [],
    "basic_constraints_valid_for_non_ca": False,
    "client_flag": True,
    "cn_validations": ["email", "hostname"],
    "code_signing_flag": False,
    "email_protection_flag": False,
    "enforce_hostnames": True,
    "ext_key_usage": [],
    "ext_key_usage_oids": [],
    "generate_lease": False,
    "issuer_ref": "default",
    "key_bits": 2048,
    "key_type": "rsa",
    "key_usage": ["DigitalSignature", "KeyAgreement", "KeyEncipherment"],
    "max_ttl": 0,
    "no_store": False,
    "not_after": "",
    "not_after_bound": "permit",
    "not_before_duration": 30,
    "policy_identifiers": [],
    "require_cn": True,
    "server_flag": True,
    "signature_bits": 0,
    "ttl": 0,
    "use_csr_common_name": True,
    "use_csr_sans": True,
}


def test_new_role_restricts_nothing() -> None:
    """Every parameter is an addition."""
    changes = differences(None, SERVER)
    assert {change.parameter: change.after for change in changes} == SERVER
    assert not any(change.before or change.restricts for change in changes)


@pytest.mark.parametrize("role", [SERVER, CLIENT], ids=["server", "client"])
def test_equal_roles_have_no_differences(role: roles.Role) -> None:
    """Even if lists are ordered differently or the server lacks a parameter."""
    assert differences(role, role) == ()
    known = {name: value for name, value in role.items() if name != "not_after_bound"}
    assert differences(known, role) == ()
    assert (
        differences({**role, "policy_identifiers": None}, {**role, "policy_identifiers": []}) == ()
    )
    some = {**role, "allowed_domains": ["b", "a"]}
    assert differences(some, {**role, "allowed_domains": ["a", "b"]}) == ()


@pytest.mark.parametrize(
    ("parameter", "before", "after", "restricts"),
    [
        ("client_flag", True, False, True),
        ("client_flag", False, True, False),
        ("allow_localhost", True, False, True),
        ("allow_bare_domains", False, True, False),
        ("allow_wildcard_certificates", True, False, True),
        ("allow_ip_sans", True, False, True),
        ("generate_lease", True, False, True),
        ("use_csr_sans", False, True, False),
        ("enforce_hostnames", False, True, True),
        ("enforce_hostnames", True, False, False),
        ("require_cn", False, True, True),
        ("no_store", False, True, True),
        ("no_store", True, False, False),
        ("max_ttl", 86400, 3600, True),
        ("max_ttl", 3600, 86400, False),
        ("ttl", 0, 3600, True),
        ("ttl", 3600, 0, False),
        ("not_before_duration", 30, 300, False),
        ("not_before_duration", 600, 300, True),
        ("not_before_duration", 0, 300, False),
        ("not_before_duration", 300, 0, True),
        ("allowed_domains", ["a"], ["a", "b"], False),
        ("allowed_domains", ["a", "b"], ["b", "c"], True),
        ("ext_key_usage", ["ClientAuth"], [], True),
        ("key_usage", ["DigitalSignature", "KeyEncipherment"], ["DigitalSignature"], True),
        ("key_usage", [], ["DigitalSignature"], True),
        ("allowed_domains", [], ["a"], False),
        ("cn_validations", ["email", "hostname"], ["hostname"], True),
        ("cn_validations", ["disabled"], ["hostname"], True),
        ("cn_validations", ["email", "hostname"], ["disabled"], False),
        ("not_after_bound", "permit", "ttl-limited", True),
        ("not_after_bound", "forbid", "ttl-limited", False),
        ("not_after_bound", "of the future", "ttl-limited", True),
        ("not_after", "2099-01-01T00:00:00Z", "", True),
        ("issuer_ref", "intermediate-2", "default", True),
        ("key_type", "rsa", "any", False),
        ("key_bits", 4096, 0, False),
        ("signature_bits", 512, 0, False),
    ],
)
def test_change_that_allows_less_restricts(
    parameter: str, before: object, after: object, restricts: bool
) -> None:
    """So does any that may; one that allows more does not."""
    (change,) = differences({parameter: before}, {parameter: after})
    assert replace(change, widens=False) == Change(parameter, before, after, restricts=restricts)


@pytest.mark.parametrize(
    "parameter",
    [
        "allow_subdomains",
        "allow_bare_domains",
        "allow_glob_domains",
        "allow_localhost",
    ],
)
def test_other_name_rules_do_not_matter_under_allow_any_name(parameter: str) -> None:
    """Vault ignores the other rules for names then."""
    before = {"allow_any_name": True, parameter: True}
    (change,) = differences(before, {"allow_any_name": True, parameter: False})
    assert not change.restricts
    (change, _) = differences(before, {parameter: False, "allow_any_name": False})
    assert change.restricts


@pytest.mark.parametrize(
    ("parameter", "before", "after", "widens"),
    [
        ("allow_any_name", False, True, True),
        ("allow_any_name", True, False, False),
        ("allow_ip_sans", False, True, True),
        ("allow_localhost", False, True, True),
        ("allow_wildcard_certificates", True, False, False),
        ("enforce_hostnames", True, False, True),
        ("enforce_hostnames", False, True, False),
        ("server_flag", False, True, True),
        ("client_flag", False, True, True),
        ("ext_key_usage", [], ["ClientAuth"], True),
        ("ext_key_usage", ["ClientAuth"], [], False),
        ("allowed_domains", ["a"], ["a", "b"], True),
        ("allowed_domains", ["a", "b"], ["b"], False),
        ("allowed_domains", None, ["b"], True),
        ("cn_validations", ["hostname"], ["disabled"], True),
        ("cn_validations", ["disabled"], ["hostname"], False),
        ("cn_validations", ["email"], ["hostname"], True),
        # A longer TTL, another key type or no common name: none lets a holder impersonate another.
        ("max_ttl", 3600, 86400, False),
        ("key_type", "rsa", "any", False),
        ("key_usage", [], ["DigitalSignature"], False),
        ("require_cn", True, False, False),
        ("not_after_bound", "forbid", "ttl-limited", False),
    ],
)
def test_change_that_allows_impersonation_widens(
    parameter: str, before: object, after: object, widens: bool
) -> None:
    """Names, addresses and extended key usages, unless an option asked for them."""
    (change,) = differences({parameter: before}, {parameter: after})
    assert change.widens == widens
    (change,) = differences({parameter: before}, {parameter: after}, {parameter})
    assert not change.widens


@pytest.mark.parametrize(
    ("before", "after", "widened"),
    [
        ({"allowed_domains": ["a"]}, {"allowed_domains": ["a"]}, {"allow_subdomains"}),
        ({"allowed_domains": []}, {"allowed_domains": ["a"]}, {"allowed_domains"}),
        ({"allow_any_name": True}, {"allow_any_name": False}, set()),
        ({"allow_any_name": False}, {"allow_any_name": True}, {"allow_any_name"}),
    ],
)
def test_allow_subdomains_widens_only_a_role_with_domains(
    before: roles.Role, after: roles.Role, widened: set[str]
) -> None:
    """Without domains, or with any name allowed, it has no effect."""
    changes = differences(
        {**before, "allow_subdomains": False}, {**after, "allow_subdomains": True}
    )
    assert {change.parameter for change in changes if change.widens} == widened


@pytest.mark.parametrize(
    ("ours", "taken"),
    [
        (
            SERVER,
            {
                "client_flag",
                "allow_wildcard_certificates",
                "cn_validations",
                "key_usage",
                "max_ttl",
                "no_store",
                "not_after_bound",
                "ttl",
            },
        ),
        (
            CLIENT,
            {
                "server_flag",
                "allow_ip_sans",
                "allow_wildcard_certificates",
                "key_usage",
                "max_ttl",
                "no_store",
                "not_after_bound",
                "ttl",
            },
        ),
    ],
    ids=["server", "client"],
)
def test_taking_over_a_default_role_restricts_it(ours: roles.Role, taken: set[str]) -> None:
    """A role with Vault's defaults allows both client and server certificates."""
    assert {change.parameter for change in differences(PLAIN, ours) if change.restricts} == taken


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("max_ttl", None, 86400), "max_ttl: 1d"),
        (Change("max_ttl", 86400, 2592000), "max_ttl: 1d -> 30d"),
        (Change("client_flag", before=True, after=False), "client_flag: true -> false"),
        (Change("allowed_domains", ["a", "b"], []), "allowed_domains: a, b -> none"),
        (Change("key_bits", 2048, 0), "key_bits: 2048 -> 0"),
    ],
)
def test_change_is_described_in_text(change: Change, words: str) -> None:
    """TTLs are shown as durations."""
    assert describe_change(change) == words


@pytest.mark.parametrize(
    ("restricts", "widens", "words"),
    [
        (False, False, "ttl: 1m"),
        (True, False, "restricts: ttl: 1m"),
        (False, True, "widens: ttl: 1m"),
        (True, True, "restricts and widens: ttl: 1m"),
    ],
)
def test_restricts_and_widens_come_first(restricts: bool, widens: bool, words: str) -> None:
    """A change of a list may do both."""
    assert describe_effect(Change("ttl", None, 60, restricts, widens)) == words
