"""Short-lived TLS certificates for Docker daemons and their clients, from Vault."""

__version__ = "0.1.0"
