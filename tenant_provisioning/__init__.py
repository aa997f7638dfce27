"""Tenant provisioning: one onboarding form becomes a working customer. `defs/assets.py` is the place to start reading."""
