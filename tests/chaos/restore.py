"""Makes `tests/results/restore.json`: people chat, are backed up, lose their ChatCluster with its volumes, come back.

python tests/chaos/restore.py                      # 200 clients at 50 messages a second, stores of one member
python tests/chaos/restore.py --members            # the same with three members of each store that can have them
python tests/chaos/restore.py --clients 20 --rate 5 --dry

On the environment that CHATCLUSTER_NAME names (its ChatCluster sleeps meanwhile): an S3 in a namespace of its own, a
ChatCluster beside the environment's, and the restored one in another namespace, where only the Secrets are that open
the backup. Everybody then signs in with their password and reads what they wrote. All of it is removed at the end.
Ends with 1 when anything that was acknowledged before the backup's moment is not there.
"""

import argparse
import asyncio
import logging
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from chatcluster_testing.cluster import Cluster
from chatcluster_testing.disaster import Restored, back_up, elsewhere, lose, mortal, store_apart
from chatcluster_testing.figures import Figures
from chatcluster_testing.people import Person, Refused
from chatcluster_testing.talking import Load, Outcome, chatting

ROOM = 5
UPLOAD_SECONDS = 0.5
READING = 8


@dataclass
class Told:
    """What people were told is kept, and when: Unix seconds."""

    people: list[Person] = field(default_factory=list[Person])
    files: dict[str, tuple[bytes, float]] = field(default_factory=dict[str, tuple[bytes, float]])
    """Content of each file by its id."""
    owner: Person | None = None
    outcome: Outcome = field(default_factory=Outcome)
    backup: dict[str, Any] = field(default_factory=dict[str, Any])
    """The ChatBackup's status."""
    backup_seconds: float = 0.0

    @property
    def moment(self) -> float:
        """The backup's."""
        return datetime.fromisoformat(self.backup["moment"]).timestamp()

    def due(self, person: Person) -> dict[str, dict[str, Any]]:
        """Messages of a person that were acknowledged before the moment, by id."""
        wall = time.time() - time.monotonic()
        return {
            message["id"]: message
            for client_id, message in person.acknowledged.items()
            if person.acknowledged_at[client_id] + wall < self.moment
        }


@dataclass
class Found:
    """What was there when they came back."""

    due: int = 0
    lost: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    """Gaps in conversations, and contents that are others."""
    locked_out: list[str] = field(default_factory=list[str])
    files_due: int = 0
    files_lost: list[str] = field(default_factory=list[str])

    @property
    def problems(self) -> list[str]:
        """All of it."""
        return [*self.lost, *self.wrong, *self.locked_out, *self.files_lost]


async def chat_and_back_up(cluster: Cluster, load: Load) -> Told:
    """People chat and upload while a backup is made."""
    told = Told()
    over = asyncio.Event()
    told.owner = await Person.register(cluster.edge, "files")

    async def upload() -> None:
        while not over.is_set():
            content = f"file {uuid.uuid4()}".encode()
            form = aiohttp.FormData()
            form.add_field("file", content, filename="a.txt")
            assert told.owner
            try:
                stored = await told.owner.rest("POST", "/files", data=form)
                told.files[stored["items"][0]["id"]] = content, time.time()
            except (Refused, aiohttp.ClientError, OSError) as error:
                tell(f"an upload was not taken: {error}")
            await asyncio.sleep(UPLOAD_SECONDS)

    async def act() -> None:
        began = time.monotonic()
        told.backup = await asyncio.to_thread(back_up, cluster)
        told.backup_seconds = time.monotonic() - began

    uploading = asyncio.create_task(upload())
    try:
        async with chatting(cluster.edge, load) as chat:
            told.outcome = await chat.through(act)
            told.people = chat.people
    finally:
        over.set()
        await uploading
        await told.owner.__aexit__(None, None, None)
    return told


async def read_back(told: Told, edge: str) -> Found:
    """Everybody signs in with their password and reads their conversations; one of them their files."""
    found = Found()
    limit = asyncio.Semaphore(READING)

    async def one(before: Person) -> None:
        async with limit:
            due = told.due(before)
            found.due += len(due)
            name = before.user["username"]
            try:
                async with await before.signed_in(edge) as person:
                    await _check(found, person, before, due)
            except (Refused, aiohttp.ClientError) as refusal:
                found.locked_out.append(f"{name} cannot sign in or read: {refusal}")

    await asyncio.gather(*(one(person) for person in told.people))
    assert told.owner
    files = {file: content for file, (content, at) in told.files.items() if at < told.moment}
    found.files_due = len(files)
    async with await told.owner.signed_in(edge) as person:
        for file, content in files.items():
            try:
                there = (await person.read(f"/files/{file}/content"))[0]
            except aiohttp.ClientError as error:
                there = str(error).encode()
            if there != content:
                found.files_lost.append(f"file {file}: {there[:80]!r}")
    return found


async def _check(found: Found, person: Person, before: Person, due: dict[str, dict[str, Any]]) -> None:
    there: dict[str, dict[str, Any]] = {}
    for conversation in before.inbox.messages:
        history = await person.history(conversation)
        there |= {message["id"]: message for message in history}
        numbers = [message["seq"] for message in history]
        if numbers != list(range(1, len(numbers) + 1)):
            found.wrong.append(f"{conversation} is not an unbroken beginning")
    name = before.user["username"]
    found.lost += [f"lost: message {id_} of {name}" for id_ in due.keys() - there.keys()]
    found.wrong += [
        f"message {id_} of {name} is another"
        for id_ in due.keys() & there.keys()
        if any(due[id_].get(part) != there[id_].get(part) for part in ("seq", "body", "conversation_id"))
    ]


def record(figures: Figures, title: str, told: Told, restored: Restored, found: Found) -> None:
    """The rows of one run."""
    figures.add(
        f"{title}: lost of what was acknowledged before the moment", len(found.lost), "", target=0, samples=found.due
    )
    figures.add(f"{title}: gaps in conversations, other contents", len(found.wrong), "", target=0, samples=found.due)
    locked_out, people = len(found.locked_out), len(told.people)
    figures.add(f"{title}: people who cannot sign in with their password", locked_out, "", target=0, samples=people)
    figures.add(f"{title}: files lost", len(found.files_lost), "", target=0, samples=found.files_due)
    figures.add(f"{title}: problems of those who chatted meanwhile", len(told.outcome.problems), "", target=0)
    figures.add(f"{title}: backup, duration", told.backup_seconds, "s")
    figures.add(f"{title}: restore, until it is ready", restored.seconds, "s")
    for phase, seconds in restored.phases.items():
        figures.add(f"{title}: restore, phase {phase} begins after", seconds, "s")


def tell(what: str) -> None:
    """To whoever watches a long run."""
    print(what, flush=True)  # noqa: T201


def main() -> int:
    """Parse the arguments, lose everything, bring it back, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200, help="connected devices (default 200)")
    parser.add_argument("--rate", type=float, default=50, help="messages a second (default 50)")
    parser.add_argument("--members", action="store_true", help="three members of each store that can have them")
    parser.add_argument("--dry", action="store_true", help="do not write the results file")
    options = parser.parse_args()
    logging.getLogger("engineio.client").setLevel(logging.CRITICAL)
    load = Load(people=options.clients, room=ROOM, per_second=options.rate)
    figures = Figures("restore", command=" ".join(["python", "tests/chaos/restore.py", *sys.argv[1:]]))
    environment = Cluster.running()
    with store_apart(environment) as store, mortal(environment, store, members=options.members) as cluster:
        tell(f"{cluster.chatcluster} is ready at {cluster.edge}; people begin to chat")
        told = asyncio.run(chat_and_back_up(cluster, load))
        tell(f"backup {told.backup['id']} is whole, its moment is {told.backup['moment']}")
        spec = cluster.get("chatcluster", cluster.chatcluster)["spec"]
        lose(cluster)
        tell(f"{cluster.chatcluster} is gone with its volumes")
        with elsewhere(cluster, store, told.backup["source"], spec) as restored:
            restored.wait(tell)
            found = asyncio.run(read_back(told, cluster.edge))
    tell("\n".join([*told.outcome.problems[:10], *found.problems[:20]]))
    kind = "three members" if options.members else "one member"
    load_was = f"{options.clients} clients, {options.rate:g} messages/s"
    title = f"backed up under {load_was}, lost with its volumes, restored, {kind} a store"
    record(figures, title, told, restored, found)
    if not options.dry:
        figures.write()
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
