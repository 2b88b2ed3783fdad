"""Plugins: ready-made pieces of work with named fields, carried out by the server's own parts."""
