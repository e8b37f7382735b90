"""What people set, kept in PostgreSQL, and what follows from it; export, erasure, account mails, dead letters."""

import argparse
import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from chatcluster_notification import console
from chatcluster_notification.settings import NotificationSettings
from chatcluster_notification.tables import metadata
from chatcluster_testing.notifying import World
from chatcluster_testing.process import wait_until

PATH = "/api/v1/notifications/preferences"
DEFAULTS: dict[str, Any] = {
    "default_level": "all",
    "muted_until": None,
    "channels": {"email": True, "push": True},
    "quiet_hours": None,
    "digest_minutes": None,
    "conversations": {},
}


async def test_migrations_make_the_tables_that_the_code_uses(world: World) -> None:
    engine = create_async_engine(world.service.program.env["CHAT_DATABASE_URL"])
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert differences == []


def test_preferences_are_replaced_whole_and_conversations_one_by_one(world: World) -> None:
    auth = world.tokens.authorization(world.person("Bob"))
    assert world.http.get(PATH, headers=auth).json() == DEFAULTS
    tea, milk = str(uuid.uuid4()), str(uuid.uuid4())
    wanted = {
        "default_level": "mentions",
        "muted_until": "2026-01-31T12:00:00.000Z",
        "channels": {"email": False, "push": True},
        "quiet_hours": {"start": "22:00", "end": "07:30", "days": ["mon", "sun"], "time_zone": "Europe/Berlin"},
        "digest_minutes": 15,
        "conversations": {tea: {"level": "all", "muted_until": None}},
    }
    assert world.http.put(PATH, json=wanted, headers=auth).json() == wanted
    assert world.http.get(PATH, headers=auth).json() == wanted

    muted = {"level": None, "muted_until": "2030-01-01T00:00:00.000Z"}
    sent = {"muted_until": "2030-01-01T02:00:00+02:00"}
    assert world.http.put(f"{PATH}/conversations/{milk}", json=sent, headers=auth).json() == muted
    assert world.http.get(PATH, headers=auth).json() == wanted | {
        "conversations": {tea: {"level": "all", "muted_until": None}, milk: muted}
    }
    for _ in range(2):
        assert world.http.delete(f"{PATH}/conversations/{tea}", headers=auth).status_code == 204
    assert world.http.get(PATH, headers=auth).json() == wanted | {"conversations": {milk: muted}}
    assert world.http.put(PATH, json={}, headers=auth).json() == DEFAULTS
    assert world.http.get(PATH, headers=auth).json() == DEFAULTS
    other = world.tokens.authorization(world.person("Eve"))
    assert world.http.get(PATH, headers=other).json() == DEFAULTS


@pytest.mark.parametrize(
    "wrong",
    [
        {"default_level": "some"},
        {"digest_minutes": 0},
        {"digest_minutes": 10**30},
        {"muted_until": "2026-01-31T12:00:00"},
        {"muted_until": "9999-12-31T23:59:59Z"},
        {"muted_until": "0001-01-01T00:00:00+02:00"},
        {"muted_until": 0},
        {"muted_until": "0"},
        {"digest_minutes": True},
        {"channels": {"push": 0}},
        {"quiet_hours": {"start": "22:00Z", "end": "07:00"}},
        {"quiet_hours": {"start": "22:00:30", "end": "07:00"}},
        {"quiet_hours": {"start": "22:00", "end": "07:00", "days": []}},
        {"quiet_hours": {"start": "22:00", "end": "07:00", "time_zone": "Mars/Olympus"}},
        {"quiet_hours": {"start": "00:00", "end": "00:00"}},
        {"conversations": {"a b": {}}},
        {"conversations": {"\u0000": {}}},
        {"conversations": {str(n): {} for n in range(1001)}},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, wrong: dict[str, Any]) -> None:
    auth = world.tokens.authorization(str(uuid.uuid4()))
    answer = world.http.put(PATH, json=wrong, headers=auth)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_levels_mutes_threads_and_blocks(world: World) -> None:
    ann = world.person("Ann")
    names = ("mentions", "mentioned", "all", "none", "muted", "over", "blocking", "follower", "dnd")
    people = {name: world.person(name) for name in names}
    tea = {"id": str(uuid.uuid4()), "type": "group", "name": "Tea"}
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for name in ("mentions", "mentioned", "follower"):
        world.prefer(people[name], default_level="mentions")
    world.prefer(people["none"], conversations={tea["id"]: {"level": "none"}})
    world.prefer(people["muted"], conversations={tea["id"]: {"muted_until": soon}})
    world.prefer(people["over"], muted_until="2026-01-01T00:00:00Z")
    world.peers.blocks.add((people["blocking"], ann))
    event = world.event(ann, [ann, *people.values()], "plain", conversation=tea)
    event["message"]["mentions"] = [people["mentioned"], people["none"], people["muted"]]
    reply = world.event(
        ann, [ann, *people.values()], "reply", conversation=tea, thread_follower_ids=[people["follower"]]
    )
    reply["message"]["thread_root"] = event["message"]["id"]
    world.wait_until_handled(event)
    assert {name for name in names if "plain" in listed(world, people[name])} == {"mentioned", "all", "over", "dnd"}
    world.wait_until_handled(reply)
    assert {name for name in names if "reply" in listed(world, people[name])} == {"follower"}
    for name in ("mentioned", "all", "over", "follower"):
        world.wait_for_mail(people[name])
    for name in ("mentions", "none", "muted", "blocking"):
        assert world.mails_of(people[name]) == []

    everybody = world.event(ann, [ann, *people.values()], "hear, hear", conversation=tea, mentions_all=True)
    world.wait_until_handled(everybody)
    assert "hear, hear" in listed(world, people["mentions"])
    assert "hear, hear" not in listed(world, people["none"])


def listed(world: World, user_id: str) -> list[str]:
    page = world.http.get("/api/v1/notifications", headers=world.tokens.authorization(user_id)).json()
    return [item["preview"] for item in page["items"]]


def test_quiet_hours_hold_what_comes_until_they_end(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    now = datetime.now(UTC)
    around = {
        "start": f"{now - timedelta(hours=2):%H:%M}",
        "end": f"{now + timedelta(hours=2):%H:%M}",
        "time_zone": "UTC",
    }
    world.prefer(bob, quiet_hours=around)
    first, second = (world.event(ann, [ann, bob], text) for text in ("one", "two"))
    world.wait_until_handled(first, second)
    held = world.redis.zscore("notification:batches", f"email:{bob}")
    assert held is not None
    assert timedelta(hours=1, minutes=58) < datetime.fromtimestamp(float(held) / 1000, UTC) - now <= timedelta(hours=2)  # pyright: ignore[reportArgumentType]
    assert world.mails_of(bob) == []
    assert set(listed(world, bob)) == {"two", "one"}
    # As if they had ended: of what was held, only what is still wanted is told, in one mail.
    world.prefer(bob, conversations={second["conversation"]["id"]: {"level": "none"}})
    third = world.event(ann, [ann, bob], "three")
    world.publish(third)
    mail = world.wait_for_mail(bob)
    assert mail.message["Subject"] == "2 messages in 2 conversations"
    assert "> one" in mail.text
    assert "> two" not in mail.text


def test_what_was_held_is_not_told_to_somebody_who_came_back(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    now = datetime.now(UTC)
    around = {"start": f"{now - timedelta(hours=2):%H:%M}", "end": f"{now + timedelta(hours=2):%H:%M}"}
    world.prefer(bob, quiet_hours=around)  # in the time zone of the profile, which is not known here: UTC
    world.wait_until_handled(world.event(ann, [ann, bob]))
    world.peers.online.add(bob)
    wait_until(lambda: ended(world, bob), "the batch to come to nothing")
    world.wait_until_handled()
    assert world.mails_of(bob) == []


def ended(world: World, user_id: str) -> bool:
    """Whether the person has no mail to come any more; otherwise makes it due.

    It is held again as long as they may have come after the message, or were away a second ago. `counts` has a batch
    from its first message until it is closed, so one look at it is enough.
    """
    world.end_window(user_id)
    names: Any = world.redis.hkeys("notification:counts")
    return not any(name.decode().startswith(f"email:{user_id}") for name in names)


def test_read_marks(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    auth = world.tokens.authorization(bob)
    events = [world.event(ann, [ann, bob], f"message {n}") for n in range(4)]
    world.wait_until_handled(*events)

    def read() -> set[str]:
        page = world.http.get("/api/v1/notifications", headers=auth).json()
        found = {item["id"] for item in page["items"] if item["read"]}
        assert page["unread"] == len(page["items"]) - len(found)
        return found

    def mark(**which: Any) -> int:
        answer = world.http.post("/api/v1/notifications/read", json=which, headers=auth)
        assert answer.status_code == 200, answer.text
        return answer.json()["unread"]

    assert read() == set()
    assert mark(ids=[events[0]["id"], "unknown"]) == 3
    assert mark(conversation_id=events[1]["conversation"]["id"]) == 2
    world.wait_until_handled(events[0])
    assert read() == {events[0]["id"], events[1]["id"]}
    assert mark() == 0
    assert read() == {event["id"] for event in events}


def test_one_click_unsubscribe(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    world.publish(world.event(ann, [ann, bob]))
    mail = world.wait_for_mail(bob)
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail.message["List-Unsubscribe"].strip("<>")
    assert link in mail.text
    path = link.removeprefix("https://chat.example.org")
    assert path.startswith("/api/v1/notifications/unsubscribe?token=")
    page = world.http.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    auth = world.tokens.authorization(bob)
    assert world.http.get(PATH, headers=auth).json()["channels"] == {"email": True, "push": True}
    assert world.http.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert world.http.get(PATH, headers=auth).json()["channels"] == {"email": False, "push": True}
    world.wait_until_handled(world.event(ann, [ann, bob]))
    assert len(world.mails_of(bob)) == 1
    forged = path[:-4] + ("AAAA" if not path.endswith("AAAA") else "BBBB")
    assert world.http.post(forged).status_code == 404
    assert world.http.post("/api/v1/notifications/unsubscribe?token=x").status_code == 422


def account_mail(bob: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "kind": "reset_password",
        "user_id": bob,
        "address": f"{bob}@example.org",
        "name": "Bob",
        "locale": "en",
        "link": "https://chat.example.org/reset#token=secret-of-the-link",
    } | changes


def test_account_mails(world: World) -> None:
    bob = str(uuid.uuid4())
    wanted = account_mail(bob)
    for _ in range(2):
        assert world.internal("POST", "/mails", wanted).status_code == 202
    other = account_mail(bob, kind="new_sign_in", locale="de-AT", link=None)
    assert world.internal("POST", "/mails", other).status_code == 202
    wait_until(lambda: {str(m.message["Subject"]) for m in world.mails_of(bob)} == subjects, "both mails")
    assert len(world.mails_of(bob)) == 2
    (mail,) = [m for m in world.mails_of(bob) if m.message["Subject"] == "Set a new password"]
    assert "https://chat.example.org/reset#token=secret-of-the-link" in mail.text
    assert "https://chat.example.org/reset#token=secret-of-the-link" in mail.html
    assert mail.message["List-Unsubscribe"] is None
    assert world.http.post("/internal/mails", json=wanted).status_code == 401
    assert world.internal("POST", "/mails", account_mail(bob, kind="spam")).status_code == 422
    assert world.internal("POST", "/mails", account_mail(bob, link="javascript:alert(1)")).status_code == 422
    assert "secret-of-the-link" not in world.service.log


subjects = {"Set a new password", "Neue Anmeldung an Ihrem Konto"}


Console = Callable[..., tuple[int, list[Any]]]


@pytest.fixture
def at_console(world: World, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Console:
    """`chatcluster-notification dead …` with the service's own environment: the exit code and what it said."""
    for name, value in world.service.program.env.items():
        monkeypatch.setenv(name, value)
    settings = NotificationSettings.model_validate({})
    parser = argparse.ArgumentParser()
    console.add_arguments(parser)

    def run(*words: str) -> tuple[int, list[Any]]:
        code = asyncio.run(console.dead(parser.parse_args(words), settings))
        return code, [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]

    return run


def test_dead_letters_are_listed_tried_again_and_dropped(world: World, at_console: Console) -> None:
    bob, gone = str(uuid.uuid4()), str(uuid.uuid4())
    for user_id in (bob, gone):
        world.mails.replies[f"{user_id}@example.org"] = "550 no such mailbox"
        world.internal("POST", "/mails", account_mail(user_id))
    wait_until(lambda: {bob, gone} <= {d["recipient_id"] for d in world.dead()}, "both to be given up on")
    code, letters = at_console("list")
    mine = {letter["recipient_id"]: letter for letter in letters}
    assert code == 0
    assert mine[bob]["kind"] == "account"
    assert mine[bob]["content"]["mail"]["kind"] == "reset_password"
    assert "secret-of-the-link" not in json.dumps(letters)
    assert "example.org" not in json.dumps(letters)

    world.publish(b"no event")
    wait_until(lambda: any(d["kind"] == "event" for d in world.dead()), "the event to be put aside")
    assert world.internal("POST", "/dead-letters/drop", {"ids": [mine[gone]["id"]]}).json() == {"dropped": 1}
    del world.mails.replies[f"{bob}@example.org"]
    code, (answer,) = at_console("replay", "--all")
    assert code == 1
    assert mine[bob]["id"] in answer["done"]
    assert set(answer["failed"].values()) == {"it cannot be read"}
    world.wait_for_mail(bob)
    assert {letter["kind"] for letter in world.internal("GET", "/dead-letters").json()} == {"event"}


def test_export_and_erasure(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    world.prefer(bob, default_level="all", digest_minutes=1440)
    device = world.subscribe(bob)
    to_bob, to_ann = world.event(ann, [ann, bob], "for Bob"), world.event(bob, [ann, bob], "by Bob")
    world.wait_until_handled(to_bob, to_ann)
    world.wait_for_mail(bob)
    world.wait_until_handled(world.event(ann, [ann, bob], "held until tomorrow"))
    lines = [json.loads(line) for line in world.internal("GET", f"/users/{bob}/export").text.splitlines()]
    by_kind: dict[str, list[Any]] = {}
    for line in lines:
        by_kind.setdefault(line["kind"], []).append(line["data"])
    assert by_kind["notification_preferences"][0]["digest_minutes"] == 1440
    assert by_kind["push_subscription"][0]["endpoint"] == device.endpoint
    assert [each["preview"] for each in by_kind["notification"]] == ["held until tomorrow", "for Bob"]
    assert listed(world, ann) == ["by Bob"]

    for _ in range(2):
        assert world.internal("POST", f"/users/{bob}/erase", {}).json() == {"done": True}
    assert listed(world, bob) == []
    assert listed(world, ann) == []
    kept = [key.decode() for key in world.redis.scan_iter("notification:*") if bob in key.decode()]
    assert [key for key in kept if not key.startswith("notification:seen:")] == []
    (line,) = world.internal("GET", f"/users/{bob}/export").text.splitlines()
    assert json.loads(line) == {"kind": "notification_preferences", "data": DEFAULTS}
