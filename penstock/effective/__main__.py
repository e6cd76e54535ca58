"""``python -m penstock.effective [FOLDER]`` writes configuration.md and metrics.md into a folder, ``docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from penstock.effective.pages import PAGES


def main(folder: Path) -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (folder / name).write_text(page())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
