"""The router: decides what may be done, and where it goes. Stateless between two messages."""
