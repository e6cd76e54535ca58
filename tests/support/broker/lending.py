"""The run's broker, lent to all workers."""

from collections.abc import Callable
from functools import partial

from tests.support.broker.broker import Broker
from tests.support.broker.errors import BrokerError
from tests.support.broker.node import Node
from tests.support.broker.ways import GIVEN, given, started_node
from tests.support.lending import Description, Lender, Loan, borrow

__all__ = ["Description", "borrow", "broker_lender", "broker_of"]


def broker_lender(start: Callable[[], Node] = started_node) -> Lender:
    """A lender of the broker that was given, or of one that it starts."""

    def prepare() -> Loan:
        if somebodys := given():
            amqp_url, management_url = somebodys
            return None, {"amqp_url": amqp_url, "management_url": management_url, "control": {"kind": "given"}}
        node = start()
        return node, {
            "amqp_url": node.amqp_url,
            "management_url": node.management_url,
            "control": node.description(),
        }

    return Lender(prepare)


def broker_of(description: Description) -> Broker:
    """The broker that is described; ``BrokerError`` when the description is that there is none."""
    if "error" in description:
        raise BrokerError(description["error"])
    return Broker(description["amqp_url"], description["management_url"], _ctl_of(description["control"]))


def _ctl_of(control: Description) -> Callable[..., str]:
    if control["kind"] == "container":
        from tests.support.broker import container

        return partial(container.run_ctl, control["container"])
    if control["kind"] == "local":
        from tests.support.broker import local

        return partial(local.run_ctl, control["scripts"], control["environment"])
    return _no_ctl


def _no_ctl(*arguments: str) -> str:
    raise BrokerError(f"rabbitmqctl {' '.join(arguments)}: {GIVEN} names a broker that is not ours to control")
