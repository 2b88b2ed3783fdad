"""Dragoman: a self-hosted AI platform server."""

__version__ = "0.1.0"
