"""Messaging services, each in a file of its own."""
