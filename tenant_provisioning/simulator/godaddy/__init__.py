"""GoDaddy: domains and their DNS records, in API versions 1 and 3."""
