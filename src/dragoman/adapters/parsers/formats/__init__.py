"""One file a family of formats; each registers what it reads."""
