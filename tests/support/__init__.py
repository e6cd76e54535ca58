"""What the tests stand on: a real broker, patience with a deadline, and a guard that cleans up."""
