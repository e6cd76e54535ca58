"""The Docker engine, by way of testcontainers."""

import gc
import logging
import warnings
from functools import cache
from typing import Any

import docker.errors
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from tests.support.errors import NoWay

LOOPBACK = {"localhost", "127.0.0.1"}

# Our guard removes what is left over, so the reaper's image need not be fetched.
testcontainers_config.ryuk_disabled = True

log = logging.getLogger(__name__)


def ensure_image(image: str) -> None:
    """See that an engine answers and has *image*, fetched if need be; ``NoWay`` otherwise."""
    trouble = _trouble_with_engine()
    if trouble:
        raise NoWay(f"no Docker engine answers ({trouble})")
    images = engine().images
    try:
        images.get(image)
    except docker.errors.ImageNotFound:
        log.info("fetching the image %s", image)
        try:
            images.pull(image)
        except Exception as failure:  # network and registry: the ways to fail have no common type
            raise NoWay(f"the image {image} is not here and cannot be fetched ({failure})") from failure


def _trouble_with_engine() -> str | None:
    """What keeps the engine from answering, if anything does."""

    def trouble() -> str | None:
        try:
            engine().ping()
        except Exception as failure:  # as many types as there are ways to be absent
            return str(failure)
        return None

    # The Docker client forgets to close the socket on which nobody answered. Collected here, it
    # troubles no test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return trouble()
        finally:
            gc.collect()


@cache
def _client() -> DockerClient:
    return DockerClient()


def engine() -> Any:
    """The engine's client."""
    return _client().client


def engine_host() -> str:
    """Where ports are published, as seen from here."""
    host = _client().host()
    return "127.0.0.1" if host in LOOPBACK else host
