"""A stand-in for the vendors. It imports nothing of the rest of the package."""
