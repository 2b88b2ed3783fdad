"""Files that tools made and that are kept for a while at a public address."""
