"""An organisation that is taken off the server."""
