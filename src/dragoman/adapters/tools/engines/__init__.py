"""Engines that only child processes load."""
