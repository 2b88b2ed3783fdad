"""The Model Context Protocol, from the side of those who call tools."""
