"""Least-privilege Vault policies for each person who uses the commands; pure."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from enum import StrEnum

from dockertls_vault.settings.schema import Settings


class Person(StrEnum):
    """Whom a policy is for."""

    SERVER = "server"
    CLIENT = "client"
    ADMIN = "admin"


@dataclass(frozen=True)
class Rule:
    """A path and its capabilities; ``denied`` are parameters that a request must not contain."""

    path: str
    capabilities: tuple[str, ...]
    why: str
    denied: tuple[str, ...] = ()


# What the holder of such a token can obtain from a role of `ca init`, which binds no name to a
# token.
_OBTAINS = {
    Person.SERVER: "any name below its domains, any IP address",
    Person.CLIENT: "any common name",
}
# Vault's default policy grants these to every token that is not created without it.
OWN_TOKEN = (
    Rule("auth/token/lookup-self", ("read",), "look up this token"),
    Rule("auth/token/revoke-self", ("update",), "revoke this token after use"),
    Rule("sys/capabilities-self", ("update",), "check what this token may do"),
)


def rules(person: Person, mount: str, role: str) -> tuple[Rule, ...]:
    """Return the rules that the commands of ``person`` need; ``role`` is the one that signs.

    The trust bundle needs no rule: Vault returns a mount's issuers without a token.
    """
    if person is Person.ADMIN:
        return _admin(mount)
    sign = Rule(
        f"{mount}/sign/{role}",
        ("update",),
        f"issue {person}: {_OBTAINS[person]}; not_after would bypass its max TTL",
        denied=("not_after",),
    )
    return (sign, *OWN_TOKEN)


def command(person: Person, mount: str, role: str) -> str:
    """Return the shell command that writes the policy of ``rules``."""
    options = [] if mount == Settings.mount else ["--mount", mount]
    if person is not Person.ADMIN and role != person.value:
        options += ["--role", role]
    printing = shlex.join(["dockertls-vault", "ca", "policy", person.value, *options])
    return f"{printing} | bao policy write NAME -"


def to_hcl(found: tuple[Rule, ...]) -> str:
    """Return the rules as a policy in HCL, ready for ``bao policy write NAME -``."""
    return "\n".join(map(_block, found))


def _admin(mount: str) -> tuple[Rule, ...]:
    write = ("create", "read", "update")
    return (
        Rule(f"sys/mounts/{mount}", write, "ca init: enable the PKI engine"),
        Rule(f"sys/mounts/{mount}/tune", ("read", "update"), "ca init: read and raise its max TTL"),
        Rule(f"{mount}/issuers", ("list",), "ca init: list the issuers"),
        Rule(f"{mount}/keys", ("list",), "ca init: list the keys"),
        Rule(f"{mount}/issuer/+", ("read",), "ca init: read each issuer's key and chain"),
        Rule(f"{mount}/root/generate/internal", ("update",), "ca init: generate the root"),
        Rule(f"{mount}/config/issuers", write, "ca init: set the default issuer"),
        Rule(f"{mount}/roles/+", (*write, "patch"), "ca init: create and update the roles"),
        *OWN_TOKEN,
    )


def _block(rule: Rule) -> str:
    capabilities = ", ".join(f'"{name}"' for name in rule.capabilities)
    lines = [
        f"# {rule.why}",
        f"path {_quoted(rule.path)} {{",
        f"  capabilities = [{capabilities}]",
    ]
    if rule.denied:
        lines += [
            "  denied_parameters = {",
            *(f'    "{name}" = []' for name in rule.denied),
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    """Return an HCL string: it has the escapes of JSON, because one scanner reads both."""
    return json.dumps(text, ensure_ascii=False)
