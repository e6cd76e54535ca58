"""The workers: what stands in nobody's way."""
