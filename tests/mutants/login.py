"""The table for logins: one-time credentials are not wasted, and no token is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_TABLE: Rows = (
    (
        "a proxy's error may mean that the request was carried out",
        "_not_behind_it, acted=True",
        "_not_behind_it",
    ),
    (
        "an error of a server that is not Vault may mean so too",
        "_not_vault, acted=True",
        "_not_vault",
    ),
    (
        "a gateway error may mean that the request was carried out",
        "Verdict.NEXT_NODE, _no_leader, acted=True",
        "Verdict.NEXT_NODE, _no_leader",
    ),
    (
        "a node that loses its leadership may have carried it out",
        "        _no_leader,\n        acted=True,\n",
        "        _no_leader,\n",
    ),
    ("a canceled request may have been carried out", "_canceled, acted=True", "_canceled"),
    (
        "an internal error may mean that the request was carried out",
        "_failed, acted=True",
        "_failed",
    ),
    (
        "only an error in Vault's form is Vault's",
        'return isinstance(answer.body.get("errors"), list)',
        "return True",
    ),
    (
        "only a success in Vault's form is Vault's",
        "path in _BARE or not _SUCCESS.isdisjoint(answer.body)",
        "True",
    ),
    (
        "Retry-After is respected",
        "if fitting.verdict is Verdict.BACK_OFF else 0.0",
        "if False else 0.0",
    ),
)
_APPROLE: Rows = (
    (
        "a wrapping token is used once",
        "    with once():\n        data",
        "    if True:\n        data",
    ),
    (
        "only a token that wraps a secret_id is unwrapped",
        "    _check_origin(anonymous, token, mount, settings.auth_role)\n",
        "",
    ),
    (
        "a secret_id of another role is not unwrapped",
        'name = "[^/]+" if role is None else re.escape(role)',
        'name = "[^/]+"',
    ),
    (
        "a secret_id of another namespace is not unwrapped",
        "    _check_namespace(settings, token)\n",
        "",
    ),
    (
        "nothing is unwrapped if a plain secret_id is set",
        "if settings.secret_id is not None or settings.secret_id_file is not None:",
        "if False:",
    ),
)
_WRAPPING: Rows = (
    (
        "a wrapping token is not risked if Vault fails",
        "        if error.status >= 500:\n",
        "        if False:\n",
    ),
)
_JWT: Rows = (
    (
        "Vault's TLS settings are not used for GitHub",
        "Transport(_without_vault(settings))",
        "Transport(settings)",
    ),
    (
        "a failed request for an ID token is repeated",
        "if answer.status < 500 and answer.status != 429:",
        "if True:",
    ),
)
_TOKEN: Rows = (
    (
        "a token that does not fit into a header is rejected",
        "if not secret.isascii() or not secret.isprintable() or",
        "if",
    ),
    (
        "a token helper that others can change is not run",
        "        guarded.check(helper, _IS_HELPER)\n",
        "",
    ),
    ("the children of a token helper end with it", "            process_group=0,\n", ""),
)
_IDENTITY: Rows = (
    (
        "a login with a password is deferred",
        "in {Method.USERPASS, Method.LDAP}",
        "in set()",
    ),
    (
        "a login with a wrapped secret_id is deferred",
        "and approle.wrapped_in(self._settings) is not None",
        "and False",
    ),
    (
        "once logged in, no login is pending",
        "return self._token is None and (",
        "return True and (",
    ),
    (
        "a wrapping token is not used as a Vault token",
        "            self._authenticator.refuse_wrapping(token, origin)\n",
        "",
    ),
    ("the same token is not tried again", "return self._token != before", "return True"),
    ("a token without uses left is replaced", "self._used[login.token] >= login.uses", "False"),
    ("an expired token is replaced", "total_seconds() < age\n", "total_seconds() < 0\n"),
)
_METHOD: Rows = (
    (
        "a login that works once is not repeated",
        "            with self._once():\n",
        "            if True:\n",
    ),
    (
        "a token is noted before it is judged",
        "    note(login)\n        _check(auth)",
        "    _check(auth)\n        note(login)",
    ),
    (
        "what a failed login may have left is reported",
        "            if error.acted:\n",
        "            if False:\n",
    ),
    (
        "a password is prompted for once",
        "        if self._password is None:\n",
        "        if True:\n",
    ),
    (
        "a secret_id is unwrapped once",
        "        if self._secret_id is None:\n",
        "        if True:\n",
    ),
    (
        "a token wins over a method in a file",
        'if named is not None and not isinstance(origins["auth"], InFile):',
        "if named is not None:",
    ),
)
_SESSION: Rows = (
    (
        "everything is read before a login that works once",
        "        if self.identity.defers_login:\n            found",
        "        if False:\n            found",
    ),
    (
        "no password prompt in the background",
        "        if self.identity.defers_login:\n            yield",
        "        if False:\n            yield",
    ),
    ("a batch token ends by itself", "        if login.batch:\n            return\n", ""),
    ("revoking has its own time limit", "        self._cluster.allow(_REVOKING)\n", ""),
    ("an expired token is not reported", "            if not gone:\n", "            if True:\n"),
    (
        "a token that may remain is reported",
        "            if not gone:\n",
        "            if False:\n",
    ),
)
_SIGNALS: Rows = (
    (
        "a signal does not interrupt the end of a session",
        "        with stop.shielded():\n",
        "        if True:\n",
    ),
)
_ISSUE: Rows = (
    (
        "a certificate that Vault may have signed is reported",
        "            if not error.acted:",
        "            if True:",
    ),
    (
        "a fault of the mount is reported",
        "            if not error.acted:",
        "            if False:",
    ),
    ("a signal leaves nothing half installed", "    stop.check()  # from", "    pass  # from"),
)

TABLE: Table = {
    "vault/answers/table.py": ("vault/answers", _TABLE),
    "vault/login/approle.py": ("vault/login", _APPROLE),
    "vault/login/wrapping.py": ("vault/login", _WRAPPING),
    "vault/login/jwt.py": ("vault/login", _JWT),
    "vault/login/token.py": ("vault/login files/test_guarded.py", _TOKEN),
    "vault/login/identity.py": ("vault/login vault/test_session.py", _IDENTITY),
    "vault/login/method.py": ("vault/login vault/test_session.py", _METHOD),
    "vault/session.py": ("vault/login vault/test_session.py", _SESSION),
    "vault/session.py signals": ("cli/test_auth.py", _SIGNALS),
    "issue.py": ("test_issue.py test_issue_trust.py test_hostile_vault.py", _ISSUE),
}
