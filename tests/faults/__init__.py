"""No silent loss: Penstock as real processes, under load, with everything around it failing on purpose.

`ledger` and `verdict` say what must hold, `rig` and `load` run it, `injections` break it, ``python -m tests.faults``
reports. What is promised and what was found stands in ``docs/reliability.md``.
"""
