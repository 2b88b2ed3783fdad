"""The composition root: from settings to running parts. The only package that sees all of them."""
