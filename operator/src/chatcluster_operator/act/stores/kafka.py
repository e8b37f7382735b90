"""What people may ask of a store and Kafka does not do, with what does it."""

from chatcluster_operator.act.stores.command import CommandError
from chatcluster_operator.decide.members import Order, Reach


async def command(_order: Order, _reach: Reach) -> None:
    """Always refuses: there is no one leader that could hand over."""
    raise CommandError(
        "each partition has a leader of its own, which Kafka moves off a broker that stops and back once it has "
        "returned; delete a broker's pod to move what it leads"
    )
