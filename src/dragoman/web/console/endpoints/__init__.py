"""What the console asks of the server beyond the dialects, one module a subject."""
