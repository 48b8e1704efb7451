"""This host: its names, DNS lookups and child processes."""
