"""Requests to Vault: to which node, for how long, and what is made of no answer."""
