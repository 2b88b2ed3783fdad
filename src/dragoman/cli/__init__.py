"""The command line: ``dragoman``."""

from dragoman.cli.program import main

__all__ = ["main"]
