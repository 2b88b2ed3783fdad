"""Messaging services played on this machine, for trying out and for tests."""
