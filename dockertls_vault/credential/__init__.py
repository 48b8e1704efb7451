"""A credential on disk: its location, preflight checks, generations and atomic swap."""
