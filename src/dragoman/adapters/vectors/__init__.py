"""Passage indexes that live inside the database."""
