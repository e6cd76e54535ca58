"""How the property tests of this folder run."""

from hypothesis import settings

# How long one example takes depends on what else the machine does; a test that hangs is ended by its timeout.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
