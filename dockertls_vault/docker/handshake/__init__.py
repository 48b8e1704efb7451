"""Handshakes with a daemon: what was asked of a port, and what came of it."""
