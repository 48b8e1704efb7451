"""What to do next, if more than one check advises it."""

from __future__ import annotations

# dockerd cannot reload its certificates (moby#23936).
RESTART = "restart dockerd there, which reads its files only at startup"
RESTART_WITHOUT_SYSTEMD = "restart dockerd on this host, which reads its files only at startup"
RESTART_HERE = f"{RESTART_WITHOUT_SYSTEMD}: sudo systemctl restart docker"
TRY_AGAIN = "check again; if it persists, look for rate limits on that port"
ALL_FOUR = "set tlsverify, tlscacert, tlscert and tlskey in daemon.json, and restart dockerd"
# Issues our own three files, in the directory in which docker looks for them by default.
ISSUE_CLIENT = "dockertls-vault issue client"
