"""Microsoft Entra: discovery, signing keys, tokens for client credentials."""
