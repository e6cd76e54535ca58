"""No silent loss: Penstock as real processes, under load, with everything around it failing on purpose.

`ledger` and `verdict` say what must hold, `rig` and `load` run it, `injections` break it, ``python -m tests.faults``
reports. What is promised and what was found stands in ``docs/reliability.md``.
"""

import sys
from pathlib import Path

CLIENT = str(Path(__file__).parents[2] / "clients" / "python")
if CLIENT not in sys.path:  # pytest puts it there, python -m does not
    sys.path.insert(0, CLIENT)
