"""Servers that keep accounts."""
