"""How Vault comes to know who we are."""
