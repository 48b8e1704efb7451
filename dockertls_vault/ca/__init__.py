"""The CA in Vault: its desired state, its current state, and the steps from one to the other."""
