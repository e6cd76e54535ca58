"""Watches the queues that everybody depends on, and says when one is in trouble."""
