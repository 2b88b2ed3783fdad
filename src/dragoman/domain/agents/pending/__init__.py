"""Results of the server's tools that wait for the caller's."""
