"""Talk to HashiCorp Vault or OpenBao."""
