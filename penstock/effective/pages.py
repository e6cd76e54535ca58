"""The pages of the documentation that are written from the code."""

from __future__ import annotations

from penstock.catalogue import by_prefix
from penstock.effective.fields import all_settings, items_of
from penstock.effective.markdown import markdown
from penstock.effective.programs import CLASSES
from penstock.effective.reference import metrics_markdown
from router.settings import TopicRule


def configuration_page() -> str:
    """Return docs/configuration.md."""
    return markdown(all_settings(CLASSES), items_of(TopicRule, ""))


def metrics_page() -> str:
    """Return docs/metrics.md."""
    return metrics_markdown(by_prefix())


PAGES = {"configuration.md": configuration_page, "metrics.md": metrics_page}
"""The pages of docs/ that `python -m penstock.effective` writes."""
