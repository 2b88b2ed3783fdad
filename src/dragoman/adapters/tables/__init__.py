"""Engines that answer SQL about tables."""
