"""Floor 1: one module a vendor API. No module here knows what a tenant is; that is the business of `steps`."""
