"""A request, its answer, and rules that change either or answer themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class Request:
    """A request; ``headers`` are capitalized as in Go (``X-Vault-Token``)."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """Return the API path, without ``/v1/`` and the query."""
        return self.target.partition("?")[0].removeprefix("/v1/")

    @property
    def json(self) -> dict[str, Any]:
        """Return the parameters in the body."""
        return _object(self.body)

    def asking(self, method: str, path: str, body: object = None) -> Self:
        """Return another request of the same client."""
        raw = b"" if body is None else json.dumps(body).encode()
        return replace(self, method=method, target=f"/v1/{path}", body=raw)

    def with_json(self, body: object) -> Self:
        """Return the request with other parameters."""
        return replace(self, body=json.dumps(body).encode())

    def without(self, *headers: str) -> Self:
        """Return the request without some headers."""
        kept = {name: value for name, value in self.headers.items() if name not in headers}
        return replace(self, headers=kept)


@dataclass(frozen=True)
class Answer:
    """The answer to a request; ``headers`` as in a request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> dict[str, Any]:
        """The envelope, empty where the body is none."""
        return _object(self.body)

    @property
    def data(self) -> dict[str, Any]:
        """Return the data in the envelope, empty if there is none."""
        return self.json.get("data") or {}

    def with_data(self, **changes: Any) -> Self:
        """Return the answer with some fields of its data changed; None removes a field."""
        data = {**self.data, **changes}
        kept = {name: value for name, value in data.items() if value is not None}
        return self._with_json({**self.json, "data": kept})

    def with_warnings(self, *warnings: str) -> Self:
        """Return the answer with only these warnings."""
        return self._with_json({**self.json, "warnings": list(warnings) or None})

    def _with_json(self, body: object) -> Self:
        return replace(self, body=json.dumps(body).encode())


Forward = Callable[[Request], Answer]
Rule = Callable[[Request, Forward], Answer]


def refusal(status: int, *errors: str) -> Answer:
    """Return an error answer in Vault's format."""
    body = json.dumps({"errors": list(errors)}).encode()
    return Answer(status, {"Content-Type": "application/json"}, body)


def one_error(text: str) -> str:
    """Return a single error as Go's multierror formats it."""
    return f"1 error occurred:\n\t* {text}\n\n"


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
