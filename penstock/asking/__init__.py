"""Who is connected: asked over HTTP, or of the store."""
