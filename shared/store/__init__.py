"""The store: what routers share. A port, and what keeps it."""
