"""The embedded default: PostgreSQL, mail sink and supervision that need no account and no network."""
