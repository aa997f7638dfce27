"""Azure SQL databases of one logical server, through Azure Resource Manager."""
