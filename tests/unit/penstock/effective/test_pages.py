"""The pages of docs/ that are written from the code."""

from pathlib import Path

import pytest

from penstock.effective.pages import PAGES

DOCS = Path(__file__).parents[4] / "docs"

FIXED_NAMES = (
    *("HOST", "PORT", "AMQP_URL", "STORE_URL", "API_KEYS", "ALLOWED_ORIGINS", "ENVIRONMENT"),
    *("AUTH__SECRET", "AUTH__PUBLIC_KEY_FILE", "AUTH__JWKS_URL", "AUTH__ALGORITHMS"),
)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_in_docs_is_fresh(name):
    assert (DOCS / name).read_text() == PAGES[name](), "write it anew with: python -m penstock.effective"


def test_every_fixed_name_of_the_configuration_is_on_its_page():
    page = PAGES["configuration.md"]()
    for name in FIXED_NAMES:
        assert f"`PENSTOCK_{name}`" in page
