"""What agents were set to before."""
