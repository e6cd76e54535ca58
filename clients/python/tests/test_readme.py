"""The README's example, as a newcomer runs it."""

import asyncio
import os
import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


async def test_the_example_of_the_readme_runs(gateway):
    example, *_ = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PENSTOCK_TOKEN": "secret", "no_proxy": "127.0.0.1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", example),
        env={**environment, "PENSTOCK_URL": gateway.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, output.decode()
    assert output.decode().splitlines() == [
        "published Receipt(offset=1, epoch='e')",
        "received orders.42 {'status': 'paid'}",
    ]
