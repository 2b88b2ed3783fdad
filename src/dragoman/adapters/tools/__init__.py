"""Tools of the platform, each in a file of its own."""
