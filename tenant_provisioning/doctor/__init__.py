"""Doctor looks at every vendor and every permission the product needs, and changes nothing.

One module a vendor, each a tuple of checks; `findings` has the words, `examination` runs them. Begin with `examination`.
"""
