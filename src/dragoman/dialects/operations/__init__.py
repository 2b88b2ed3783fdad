"""The operator's paths: health, version, metrics."""
