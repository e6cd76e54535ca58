"""What the system knows of a process."""

import subprocess
import sys
from pathlib import Path

RAISE = """
import resource
from shared.telemetry.process import file_limit, most_files, raise_file_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
before = file_limit()
raise_file_limit()
print(before, file_limit() == most_files())
"""


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be():
    root = Path(__file__).parents[4]
    ran = subprocess.run([sys.executable, "-c", RAISE], capture_output=True, text=True, check=True, cwd=root)
    assert ran.stdout == "64 True\n"
