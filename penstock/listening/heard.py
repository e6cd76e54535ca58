"""A message that was heard, and how it is printed ◆"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Style = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Heard:
    """One message. `at` is milliseconds since 1970; `encoding` is ``base64`` where `data` is binary."""

    topic: str
    data: Any
    at: int
    encoding: str | None = None
    offset: int | None = None
    epoch: str | None = None
    key: str | None = None
    sender: str | None = None

    def for_programs(self) -> dict[str, Any]:
        """Return it as the frame of the protocol (``message``), without what is absent."""
        whole = {
            "topic": self.topic,
            "data": self.data,
            "at": self.at,
            "encoding": self.encoding,
            "offset": self.offset,
            "epoch": self.epoch,
            "key": self.key,
            "from": self.sender,
        }
        return {name: value for name, value in whole.items() if value is not None or name == "data"}

    def for_people(self, style: Style) -> str:
        """Return one line: when, topic, data, and from whom."""
        at = datetime.fromtimestamp(self.at / 1000)
        time = style(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}", dim=True)
        data = self.data if self.encoding else json.dumps(self.data, ensure_ascii=False)
        asides = [
            f"#{self.offset}" if self.offset is not None else "",
            f"from {self.sender}" if self.sender else "",
            f"key {self.key}" if self.key else "",
            self.encoding or "",
        ]
        aside = " ".join(filter(None, asides))
        return f"{time} {style(self.topic, fg='cyan')}  {_printable(data)}" + (
            f"  {style(_printable(aside), dim=True)}" if aside else ""
        )


def _printable(text: str) -> str:
    """Write control characters out: what somebody published must not move the cursor of who listens."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
