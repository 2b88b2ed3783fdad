"""People who prove who they are by a client certificate."""
