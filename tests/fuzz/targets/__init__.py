"""The decoders, by who runs them."""
