"""The parameters of PKI roles that only one of the two servers knows."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from .exchange import WRITES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .exchange import Answer, Forward, Request

_ROLE = re.compile(r"(?!auth/).+/roles/[^/]+")
_UNKNOWN = {"allowed_ip_sans_cidr", "not_after_bound", "not_before", "not_before_bound"}
# Unknown to OpenBao: they are stored here, with Vault's defaults.
_VAULTS = {"no_store_metadata": False, "serial_number_source": "json-csr"}
_IGNORED = re.compile(r"Endpoint ignored these unrecognized parameters: \[(.*)\]")


class RoleParameters:
    """Stores parameters only Vault knows; drops those it does not, with a warning."""

    def __init__(self) -> None:
        self._kept: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if not _ROLE.fullmatch(request.path):
            return forward(request)
        if request.method not in WRITES or not request.body:
            return self._as_vault_has_it(request, forward(request))
        asked = request.json
        passed_on = {
            name: value
            for name, value in asked.items()
            if name not in _UNKNOWN and name not in _VAULTS
        }
        answer = forward(request.with_json(passed_on))
        if not answer.is_success:
            return answer
        self._keep(request)
        dropped = _UNKNOWN & asked.keys()
        return self._as_vault_has_it(request, _warning_of(answer, dropped))

    def _keep(self, request: Request) -> None:
        taken = {name: value for name, value in request.json.items() if name in _VAULTS}
        with self._lock:
            # PATCH changes fields, POST replaces the role.
            before = self._kept.get(_key(request), {}) if request.method == "PATCH" else {}
            self._kept[_key(request)] = {**before, **taken}

    def _as_vault_has_it(self, request: Request, answer: Answer) -> Answer:
        if "use_csr_sans" not in answer.data:  # no role, or none of a PKI engine
            return answer
        kept = self._kept.get(_key(request), {})
        return answer.with_data(**dict.fromkeys(_UNKNOWN), **{**_VAULTS, **kept})


def _key(request: Request) -> str:
    return f"{request.headers.get('X-Vault-Namespace', '')}/{request.path}"


def _warning_of(answer: Answer, dropped: set[str]) -> Answer:
    """Name the dropped parameters in the one warning that lists all unknown ones."""
    names = set(dropped)
    others = []
    for warning in answer.json.get("warnings") or ():
        found = _IGNORED.fullmatch(warning)
        if found:
            names.update(found[1].split())
        else:
            others.append(warning)
    if not names:
        return answer
    listed = f"Endpoint ignored these unrecognized parameters: [{' '.join(sorted(names))}]"
    return answer.with_warnings(listed, *others)
