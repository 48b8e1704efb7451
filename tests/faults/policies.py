"""Ask Vault what a token of each policy may do at each path that this Vault has."""

from __future__ import annotations

import itertools
import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

from dockertls_vault.ca.policy import Person, rules, to_hcl
from tests import mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.ca.policy import Rule
    from dockertls_vault.vault.session import Session
    from tests.harness.openbao import DevVault

MOUNT = "dockertls"
# Values for the parameters of a path: names from the policies, and another one.
_VALUES = ("server", "client", "default", MOUNT, "another")
_PARAMETER = re.compile(r"\{[^}]+\}")
_AT_ONCE = 500  # paths in one request


def run(server: DevVault) -> tuple[int, list[str]]:
    """Try each policy at each path; return the number of pairs and the problems."""
    mounts.init(server)
    paths = sorted(_paths(server))
    with mounts.session(server) as root:
        wrong = [
            f"{person}: {path}: {given}"
            for person in Person
            for path, given in _given(server, root, person, paths)
            if set(given) != _wanted(rules(person, MOUNT, person.value), path)
        ]
    return len(paths) * len(Person), wrong


def _paths(server: DevVault) -> set[str]:
    """Return this Vault's paths, with each value for each parameter."""
    request = urllib.request.Request(  # noqa: S310 - http, to our own server
        f"{server.address}/v1/sys/internal/specs/openapi", headers={"X-Vault-Token": server.token}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
        told = json.load(answer)
    return {
        path + end
        for template in told["paths"]
        for path in _filled(template.removeprefix("/"))
        for end in ("", "/", "/another")
    }


def _filled(template: str) -> Iterator[str]:
    fixed = _PARAMETER.split(template)
    for values in itertools.product(_VALUES, repeat=len(fixed) - 1):
        yield "".join(itertools.chain(*zip(fixed, (*values, ""), strict=True)))


def _given(
    server: DevVault, root: Session, person: Person, paths: list[str]
) -> Iterator[tuple[str, Any]]:
    """Yield each path with the capabilities of a token with the policy."""
    name = f"policies-{person}"
    root.client.sys.create_or_update_policy(name, to_hcl(rules(person, MOUNT, person.value)))
    made = root.client.auth.token.create(policies=[name], no_default_policy=True, ttl="1h")
    token = type(server)(server.address, made["auth"]["client_token"])
    with mounts.session(token) as session:
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            answer = session.client.adapter.post("/v1/sys/capabilities-self", json={"paths": some})[
                "data"
            ]
            yield from ((path, answer[path]) for path in some)


def _wanted(allowed: tuple[Rule, ...], path: str) -> set[str]:
    """Return what the policy should grant at a path, by Vault's rules.

    A ``+`` matches one segment, possibly empty; a trailing slash counts only then.
    """
    for rule in allowed:
        parts = ("[^/]*" if part == "+" else re.escape(part) for part in rule.path.split("/"))
        pattern = re.compile("/".join(parts))
        if pattern.fullmatch(path) or pattern.fullmatch(path.removesuffix("/")):
            return set(rule.capabilities)
    return {"deny"}
