"""The table for logins: one-time credentials are not wasted, and no token is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_TABLE: Rows = (
    ("a proxy may have passed it on", "_not_behind_it, acted=True", "_not_behind_it"),
    ("so may another server", "_not_vault, acted=True", "_not_vault"),
    ("502 and 504", "Verdict.NEXT_NODE, _no_leader, acted=True", "Verdict.NEXT_NODE, _no_leader"),
    (
        "a leader that loses office",
        "        _no_leader,\n        acted=True,\n",
        "        _no_leader,\n",
    ),
    ("a request that is cancelled", "_cancelled, acted=True", "_cancelled"),
    ("an internal error", "_failed, acted=True", "_failed"),
    (
        "only Vault's own failures",
        'return isinstance(answer.body.get("errors"), list)',
        "return True",
    ),
    ("only Vault's own successes", "path in _BARE or not _SUCCESS.isdisjoint(answer.body)", "True"),
    ("Retry-After", "if fitting.verdict is Verdict.BACK_OFF else 0.0", "if False else 0.0"),
)
_APPROLE: Rows = (
    ("unwrapped once", "    with once():\n        data", "    if True:\n        data"),
    (
        "created for a secret_id",
        "    _check_origin(anonymous, token, mount, settings.auth_role)\n",
        "",
    ),
    ("of our role", 'name = "[^/]+" if role is None else re.escape(role)', 'name = "[^/]+"'),
    ("of our namespace", "    _check_namespace(settings, token)\n", ""),
    (
        "nothing is unwrapped for a plain one",
        "if settings.secret_id is not None or settings.secret_id_file is not None:",
        "if False:",
    ),
)
_WRAPPING: Rows = (
    ("not risked where Vault failed", "        if error.status >= 500:\n", "        if False:\n"),
)
_JWT: Rows = (
    ("GitHub is not asked as Vault", "Transport(_without_vault(settings))", "Transport(settings)"),
    ("asked again", "if answer.status < 500 and answer.status != 429:", "if True:"),
)
_TOKEN: Rows = (
    ("a token fits into a header", "if not secret.isascii() or not secret.isprintable() or", "if"),
    ("no helper of others", "        guarded.check(helper, _IS_HELPER)\n", ""),
    ("what a helper starts ends with it", "            process_group=0,\n", ""),
)
_IDENTITY: Rows = (
    ("a password is asked for before", "in {Method.USERPASS, Method.LDAP}", "in set()"),
    ("what is wrapped is spent", "and approle.wrapped_in(self._settings) is not None", "and False"),
    ("spent once", "return self._token is None and (", "return True and ("),
    (
        "a wrapping token is not used",
        "            self._authenticator.refuse_wrapping(token, origin)\n",
        "",
    ),
    ("the same token is not tried again", "return self._token != before", "return True"),
    ("a token that its last use ended", "self._used[login.token] >= login.uses", "False"),
    ("a token that its TTL ended", "total_seconds() < age\n", "total_seconds() < 0\n"),
)
_METHOD: Rows = (
    ("no login twice", "            with self._once():\n", "            if True:\n"),
    (
        "a token is noted before it is judged",
        "    note(login)\n        _check(auth)",
        "    _check(auth)\n        note(login)",
    ),
    ("what it may have left is said", "            if error.acted:\n", "            if False:\n"),
    ("a password is asked for once", "        if self._password is None:\n", "        if True:\n"),
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
        "read before a login that spends",
        "        if self.identity.defers_login:\n            found",
        "        if False:\n            found",
    ),
    (
        "no password prompt in the background",
        "        if self.identity.defers_login:\n            yield",
        "        if False:\n            yield",
    ),
    ("a batch token ends by itself", "        if login.batch:\n            return\n", ""),
    ("time to revoke", "        self._cluster.allow(_REVOKING)\n", ""),
    ("what is over is not said", "            if not gone:\n", "            if True:\n"),
    ("what stays is said", "            if not gone:\n", "            if False:\n"),
)
_SIGNALS: Rows = (
    ("no signal in between", "        with stop.shielded():\n", "        if True:\n"),
)
_ISSUE: Rows = (
    (
        "what Vault may have signed is said",
        "            if not error.acted:",
        "            if True:",
    ),
    (
        "what is wrong with the mount is said",
        "            if not error.acted:",
        "            if False:",
    ),
    ("nothing half installed at a signal", "    stop.check()  # from", "    pass  # from"),
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
