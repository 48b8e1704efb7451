"""Certificates and CSRs: create, parse and verify them, without I/O."""
