"""Telling other systems what this server does."""
