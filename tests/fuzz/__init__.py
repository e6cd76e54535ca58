"""Bytes of strangers, by the million: every decoder that sees them, and what must hold whatever they are.

`table` names the decoders, each a `Target` with its own idea of what must hold. The tests beside this file try each of
them for a moment, with the same examples every time; ``make fuzz`` goes on for as long as it is let.
"""

import sys
from pathlib import Path

CLIENT = str(Path(__file__).parents[2] / "clients" / "python")
if CLIENT not in sys.path:  # pytest puts it there, python -m does not
    sys.path.insert(0, CLIENT)
