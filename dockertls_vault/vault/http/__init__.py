"""HTTP requests to Vault: which node they go to, timeouts, retries, and connection failures."""
