"""RabbitMQ's management API: JSON over HTTP, with the standard library alone."""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

TIMEOUT = 30.0  # seconds for one answer; removing a virtual host full of quorum queues is the slowest

# Never through a proxy: the broker is ours, and near.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ManagementError(Exception):
    """The API said no. ``status`` is the HTTP status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Management:
    """One broker's management API, at a URL that carries user and password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        self.user = unquote(parts.username or "guest")
        password = unquote(parts.password or "guest")
        self._authorization = "Basic " + b64encode(f"{self.user}:{password}".encode()).decode()

    def get(self, *path: str) -> Any:
        """What stands at /api/…; each part of *path* is escaped."""
        return self._ask("GET", path)

    def put(self, *path: str, **body: object) -> None:
        """Create or replace what stands there."""
        self._ask("PUT", path, body)

    def delete(self, *path: str, reason: str | None = None) -> None:
        """Remove what stands there; *reason* is what a closed connection is told."""
        self._ask("DELETE", path, headers={"X-Reason": reason} if reason else {})

    def _ask(
        self, method: str, path: tuple[str, ...], body: object = None, headers: dict[str, str] | None = None
    ) -> Any:
        url = "/".join([self._base, "api", *(quote(part, safe="") for part in path)])
        request = urllib.request.Request(
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": self._authorization,
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )
        try:
            with _opener.open(request, timeout=TIMEOUT) as answer:
                said = answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                said = refusal.read().decode(errors="replace")
            raise ManagementError(refusal.code, f"{method} {url}: {refusal.code} {said}") from None
        return json.loads(said) if said else None
