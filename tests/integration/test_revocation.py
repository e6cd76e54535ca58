"""Sessions are ended as docs/security.md says."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from tests.support.broker import Vhost
from tests.support.penstock import running, token

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


async def test_the_program_of_the_page_ends_the_sessions_of_its_user_and_no_others(vhost: Vhost) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    program = program.replace("amqp://user:password@localhost:5672/", vhost.amqp_url)
    async with running(vhost.amqp_url, gateways=2) as penstock, penstock.neighbour():
        anns = [await penstock.connect(token("ann"), edge) for edge in penstock.edges]
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert [await ann.closed() for ann in anns] == [4103, 4103]
        assert [edge.counters.kicked for edge in penstock.edges] == [1, 1]
