"""nchan: pub/sub inside nginx, in C. Debian's libnginx-mod-nchan with a configuration of our own."""

import resource
import shutil
from pathlib import Path
from typing import Self

from benchmarks.load.generator import Door
from benchmarks.processes import Process, accepts, children, free_port

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
TEMPLATE = Path(__file__).parent / "nchan.conf"


class Nchan:
    """One nginx with one worker; the worker is what is measured."""

    name = "nchan"

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "nchan"

    def __enter__(self) -> Self:
        program = shutil.which("nginx")
        if program is None or not MODULE.exists():
            raise SystemExit(
                "nchan is not installed: `apt-get install nginx-light libnginx-mod-nchan`, or leave it out."
            )
        self.folder.mkdir()
        self.port = free_port()
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        configuration = self.folder / "nginx.conf"
        text = TEMPLATE.read_text().format(folder=self.folder, module=MODULE, files=files, port=self.port)
        configuration.write_text(text)
        log = self.folder / "log"
        self.process = Process([program, "-p", str(self.folder), "-e", "stderr", "-c", str(configuration)], log)
        self.process.wait_until(lambda: accepts(self.port) and bool(children(self.process.pid)))
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.stop()

    def door(self, topic: str) -> Door:
        return Door(self.port, f"/sub?topic={topic}")

    def publisher(self, topic: str) -> list[str]:
        return ["benchmarks.load.post", "--port", str(self.port), "--path", f"/pub?topic={topic}"]

    def roles(self) -> dict[str, list[int]]:
        return {"server": children(self.process.pid)}
