"""The set-up of dockerd on this host."""
