"""One Azure Key Vault and its secrets: versions, soft delete, recovery, purge."""
