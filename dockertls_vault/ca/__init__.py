"""The CA in Vault: what is wanted of it, what is there, and the steps from the one to the other."""
