"""This server's collections and gateways as tools for other programs, over the Model Context Protocol."""
