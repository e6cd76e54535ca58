"""How the property tests of this folder run."""

import os

from hypothesis import settings

# How long one example takes depends on what else the machine does; a test that hangs is ended by its timeout. Every run
# tries the same examples, so that a red test is the change's doing; PENSTOCK_TEST_SEARCH=yes looks for new ones.
settings.register_profile("unit", deadline=None, derandomize=os.environ.get("PENSTOCK_TEST_SEARCH") != "yes")
settings.load_profile("unit")
