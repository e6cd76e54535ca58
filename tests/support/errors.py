"""What tests need and cannot have."""


class Missing(Exception):
    """Something that the tests need cannot be had, or failed; the text says what, and what to do."""


class NoWay(Missing):
    """This way of getting it is not open here; the next one may be."""
