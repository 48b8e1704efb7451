"""The CA in Vault: what is wanted of it, what is there, and the steps between the two."""
