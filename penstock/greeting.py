"""What `penstock up` says when it listens, and what to type next ◆"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.ways import DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class Up:
    """What there is to say. `penstock` is how this program was called; `bus` and `store` are said in words."""

    release: str
    penstock: str
    url: str
    port: int
    bus: str
    store: str
    token: str | None
    api_key: str | None

    @property
    def websocket(self) -> str:
        """Return the address for clients."""
        return "ws" + self.url.removeprefix("http") + "/ws"


def for_programs(up: Up) -> dict[str, str | int | None]:
    """Return the same as data."""
    return {
        "url": up.url,
        "websocket": up.websocket,
        "port": up.port,
        "bus": up.bus,
        "store": up.store,
        "token": up.token,
        "api_key": up.api_key,
    }


def for_people(up: Up) -> str:
    """Return the lines to print."""
    lines = [f"Penstock {up.release} listens on {up.url}", f"  bus: {up.bus}", f"  store: {up.store}"]
    if up.token is None:
        lines += ["", f"Clients connect to {up.websocket} with a token that your application signs."]
        return "\n".join(lines)
    port = "" if up.port == DEFAULT_PORT else f" --port {up.port}"
    lines += [
        "",
        "A token for development, good for 24 hours (it may subscribe and publish everything):",
        f"  {up.token}",
        "",
        "Next, in a second terminal:",
        f"  {up.penstock} listen{port} 'orders.*'",
        "and in a third:",
        f"  {up.penstock} emit{port} orders.42 '{{\"total\": 12}}'",
        *_without_amqp(up),
        "",
        f"In a browser: open {up.url}/healthz and paste into its console:",
        f"  s = new WebSocket('{up.websocket}', 'penstock.v1.json'); s.onmessage = m => console.log(m.data);",
        f"  s.onopen = () => s.send(JSON.stringify([{{type: 'connect', id: 1, token: '{up.token}'}}, "
        "{type: 'subscribe', id: 2, topic: 'orders.*'}]))",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)


def _without_amqp(up: Up) -> list[str]:
    """Return what to type without our command line. A key that `up` was given, not made, is not shown."""
    key = up.api_key or "YOUR-API-KEY"
    return [
        "or without it, with the API key that back ends have:",
        f"  curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' "
        f"-d '{{\"total\": 12}}' {up.url}/api/events/orders.42",
    ]
