"""Signing in with an account that another server keeps."""
