"""Looks at every vendor and every permission the product needs, and changes nothing."""
