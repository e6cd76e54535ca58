"""What `penstock emit` does: read an event, and bring it to a gateway or to the broker."""
