"""What `penstock listen` does: follow topics at a gateway or at the broker, and print what comes."""
