"""What Vault's answers mean, and what is read from them; pure."""
