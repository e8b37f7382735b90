"""What somebody may see of somebody else."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from chatcluster_common.internal import InternalClient
from chatcluster_presence.models import Presence
from chatcluster_presence.state import Appearance
from chatcluster_presence.visibility import Privacy, Relation, View, Visibility, render, view
from chatcluster_testing.peers import Peers, running_peers
from chatcluster_testing.process import INTERNAL_TOKEN

BLOCKED, CONTACT, NOTHING = Relation(blocked=True, contact=True), Relation(contact=True), Relation()
LOOK = Appearance("bob", "dnd", datetime(2026, 1, 31, tzinfo=UTC), "Busy", "📅", datetime(2026, 2, 1, tzinfo=UTC), True)


@pytest.mark.parametrize(
    ("privacy", "relation", "expected"),
    [
        ("everyone", NOTHING, View.FULL),
        ("everyone", CONTACT, View.FULL),
        ("contacts", NOTHING, View.NO_LAST_SEEN),
        ("contacts", CONTACT, View.FULL),
        ("nobody", NOTHING, View.NO_LAST_SEEN),
        ("nobody", CONTACT, View.NO_LAST_SEEN),
        ("everyone", BLOCKED, View.HIDDEN),
        ("contacts", BLOCKED, View.HIDDEN),
        ("nobody", BLOCKED, View.HIDDEN),
    ],
)
def test_view(privacy: Privacy, relation: Relation, expected: View) -> None:
    assert view(privacy, relation) is expected


def test_what_a_view_shows() -> None:
    full, no_last_seen, hidden = (render(LOOK, v) for v in (View.FULL, View.NO_LAST_SEEN, View.HIDDEN))
    assert (full.status, full.last_seen, full.text) == ("dnd", LOOK.last_seen, "Busy")
    assert no_last_seen == full.model_copy(update={"last_seen": None})
    assert hidden == Presence(user_id="bob", status="offline", last_seen=None)
    assert "active" not in full.model_dump()


async def test_the_user_service_is_asked_once_until_something_changes() -> None:
    with running_peers() as peers:
        for name in ("ann", "bob"):
            peers.add_person(name, name)
        async with InternalClient(peers.url, SecretStr(INTERNAL_TOKEN)) as users:
            visibility = Visibility(users, seconds=60)
            for watcher in ("ann", "bob", "ann"):
                assert await visibility.of(watcher, ["ann", "bob"]) == {"ann": View.FULL, "bob": View.FULL}
            assert calls(peers) == ["lookup", "relations"]
            peers.blocks.add(("bob", "ann"))
            visibility.forget_between("bob", "ann")
            assert await visibility.of("ann", ["ann", "bob"]) == {"ann": View.FULL, "bob": View.HIDDEN}
            assert await visibility.to("ann", ["bob"]) == {"bob": View.HIDDEN}
            assert calls(peers) == ["lookup", "relations", "relations"]
            peers.blocks.clear()
            peers.last_seen_for["bob"] = "nobody"
            visibility.forget_between("bob", "ann")
            visibility.forget("bob")
            assert await visibility.to("bob", ["ann"]) == {"ann": View.NO_LAST_SEEN}


async def test_a_person_nobody_knows_shows_nothing_of_when() -> None:
    with running_peers() as peers:
        async with InternalClient(peers.url, SecretStr(INTERNAL_TOKEN)) as users:
            assert await Visibility(users, seconds=60).of("ann", ["zoe"]) == {"zoe": View.NO_LAST_SEEN}


def calls(peers: Peers) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in peers.calls)
