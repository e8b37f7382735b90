"""Messages to mails: who gets one, when, what it says, and what becomes of one that is not taken."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

from chatcluster_testing.notifying import TOPIC, World
from chatcluster_testing.process import service_program, wait_until
from chatcluster_testing.tokens import TokenAuthority


def test_one_mail_to_each_member_who_is_away_though_the_event_comes_twice(world: World) -> None:
    sender, away, online = world.person("Ann"), world.person("Bob"), world.person("Cid")
    world.peers.online.add(online)
    event = world.event(sender, [sender, away, online], "Lunch at one?")
    world.wait_until_handled(event, event)
    world.wait_for_mail(away)
    world.wait_until_handled(event)
    assert len(world.mails_of(away)) == 1
    assert world.mails_of(sender) == []
    assert world.mails_of(online) == []
    assert world.metric('chat_notification_suppressed_total{reason="seen"}') >= 2
    # The mail is at its server a moment before the service has counted it and forgotten the job.
    wait_until(
        lambda: world.metric('chat_notification_deliveries_total{queue="email",result="sent"}') >= 3,
        "the mails to be counted",
    )
    wait_until(lambda: world.metric("chat_notification_delay_seconds_count") >= 3, "their delay to be counted")
    keys = ("notification:queue:email", "notification:jobs", "notification:attempts", "notification:closing")
    wait_until(lambda: world.redis.exists(*keys) == 0, "the jobs to be forgotten")


def test_who_leaves_as_a_message_comes_is_told_after_all(world: World) -> None:
    ann, there, left = world.person("Ann"), world.person("There"), world.person("Left")
    world.peers.online |= {there, left}
    world.publish(
        world.event(ann, [ann, there, left], "for all", conversation={"type": "group", "name": "Tea"}),
        world.event(ann, [ann, there, left], "for you"),
    )
    wait_until(lambda: world.redis.zscore("notification:batches", f"email:{left}") is not None, "it to be held")
    world.peers.online.remove(left)
    assert "for you" in world.wait_for_mail(left).text
    page = world.http.get("/api/v1/notifications", headers=world.tokens.authorization(left)).json()
    assert [item["preview"] for item in page["items"]] == ["for you"]
    wait_until(lambda: world.redis.zscore("notification:batches", f"email:{there}") is None, "the other to be let go")
    world.wait_until_handled()
    assert world.mails_of(there) == []


def test_what_a_mail_says(world: World) -> None:
    ann, bob = world.person("Ann Ünal"), world.person("Bob")
    event = world.event(
        ann,
        [ann, bob],
        "Is 3 < 4?\n<script>alert(1)</script>",
        conversation={"type": "group", "name": "Tea\r\nBcc: eve@example.org"},
    )
    world.publish(event)
    mail = world.wait_for_mail(bob)
    message = mail.message
    assert mail.sender == "chat@example.org"
    assert mail.recipients == [f"{bob}@example.org"]
    assert message["Subject"] == "Ann Ünal wrote in Tea Bcc: eve@example.org"
    assert message["Bcc"] is None
    assert message["From"] == "Chat <chat@example.org>"
    assert message["To"] == f"Bob <{bob}@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Id"] == f"<{event['conversation']['id']}.conversations.example.org>"
    assert message["In-Reply-To"] == message["References"]
    assert message["Message-ID"].endswith("@example.org>")
    assert message["Date"].datetime.isoformat()[:19] >= event["occurred_at"][:19]
    assert "Is 3 < 4?" in mail.text
    assert "https://chat.example.org/" in mail.text
    assert "Is 3 &lt; 4?<br>&lt;script&gt;" in mail.html
    assert "<script>" not in mail.html


def test_more_messages_soon_after_come_in_one_mail(world: World) -> None:
    ann, bob, cid = world.person("Ann"), world.person("Bob"), world.person("Cid")
    tea = {"id": str(uuid.uuid4()), "type": "group", "name": "Tea"}
    members = [ann, bob, cid]
    world.peers.online.add(cid)
    world.publish(world.event(ann, members, "one", conversation=tea))
    first = world.wait_for_mail(bob)
    again = [world.event(sender, members, text, conversation=tea) for sender, text in ((ann, "two"), (cid, "three"))]
    world.wait_until_handled(*again)
    assert len(world.mails_of(bob)) == 1
    world.end_window(bob)
    second = world.wait_for_mail(bob, 2)
    assert second.message["Subject"] == "2 messages in Tea"
    assert re.search("Ann wrote in Tea:.*> two.*Cid wrote in Tea:.*> three", second.text, re.DOTALL)
    assert second.message["References"] == first.message["References"]
    assert second.message["Message-ID"] != first.message["Message-ID"]

    world.wait_until_handled(
        world.event(ann, [ann, bob], "alone"),
        *(world.event(cid, members, f"n{n}", conversation=tea) for n in range(30)),
    )
    world.end_window(bob)
    third = world.wait_for_mail(bob, 3)
    assert third.message["Subject"] == "31 messages"
    assert third.message["References"] != first.message["References"]
    assert "> n29" in third.text
    assert "> n4" not in third.text
    assert "There are 6 earlier messages." in third.text


def test_a_mail_server_that_is_away_delays_the_mail(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    world.mails.stop()
    try:
        delayed = world.metric('chat_notification_deliveries_total{queue="email",result="delayed"}')
        world.publish(world.event(ann, [ann, bob]))
        wait_until(
            lambda: world.metric('chat_notification_deliveries_total{queue="email",result="delayed"}') > delayed,
            "a first attempt to fail",
        )
    finally:
        world.mails.start()
    world.wait_for_mail(bob)
    assert len(world.mails_of(bob)) == 1


def test_a_mail_refused_for_now_is_tried_again_and_one_refused_for_good_is_put_aside(world: World) -> None:
    ann, later, never = world.person("Ann"), world.person("Later"), world.person("Never")
    world.mails.replies[f"{later}@example.org"] = "451 try again later"
    world.mails.replies[f"{never}@example.org"] = "550 no such mailbox"
    world.publish(world.event(ann, [ann, later, never]))
    wait_until(
        lambda: any(never == entry["recipient_id"] for entry in world.dead()), "the refused mail to be put aside"
    )
    del world.mails.replies[f"{later}@example.org"]
    world.wait_for_mail(later)
    (entry,) = [entry for entry in world.dead() if never == entry["recipient_id"]]
    assert "550" in entry["reason"]
    assert json.loads(entry["content"])["recipient_id"] == never
    assert f"{never}@example.org" not in json.dumps(entry)


def test_an_address_that_breaks_the_header_is_put_aside(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    world.peers.people[bob]["email"] = "bob@example.org\r\nBcc: eve@example.org"
    world.publish(world.event(ann, [ann, bob]))
    wait_until(lambda: any(bob == entry["recipient_id"] for entry in world.dead()), "the mail to be put aside")


def test_poison_is_put_aside_and_the_next_event_handled(world: World) -> None:
    marker = str(uuid.uuid4())
    incomplete = {"schema": 1, "id": marker, "type": "message.created"}
    newer = world.event("x", ["x"], schema=2, id=f"newer-{marker}")
    world.wait_until_handled(b"\xff\x00 no JSON", incomplete, newer)
    about = [entry for entry in world.dead() if marker in entry["content"]]
    assert len(about) == 2
    assert all(entry["reason"].startswith(f"{TOPIC}/") for entry in about)
    assert "occurred_at" in about[0]["reason"]


def test_unknown_people_and_old_events_make_no_mail(world: World) -> None:
    ann, bob, unknown = world.person("Ann"), world.person("Bob"), str(uuid.uuid4())
    old = world.event(ann, [ann, bob], occurred_at="2020-01-01T00:00:00.000Z")
    world.wait_until_handled(world.event(ann, [ann, unknown]), old)
    wait_until(lambda: world.metric('chat_notification_suppressed_total{reason="unreachable"}') >= 1, "the look-up")
    assert world.metric('chat_notification_suppressed_total{reason="stale"}') >= 1
    assert world.mails_of(bob) == []


def test_an_event_waits_while_presence_is_away(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    calls = len(world.peers.calls)
    world.peers.failing = True
    try:
        world.publish(world.event(ann, [ann, bob]))
        wait_until(lambda: len(world.peers.calls) >= calls + 3, "presence to be asked")
    finally:
        world.peers.failing = False
    world.wait_for_mail(bob)


def test_recent_notifications_page_by_page(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    conversation = {"id": str(uuid.uuid4())}
    events = [world.event(ann, [ann, bob], f"message {n}", conversation=conversation) for n in range(5)]
    for number, event in enumerate(events):
        event["message"]["created_at"] = f"2026-01-01T12:00:0{number // 2}.000Z"  # some at the same moment
    world.wait_until_handled(*events, events[0])
    auth = world.tokens.authorization(bob)
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for expected in (2, 2, 1):
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = world.http.get("/api/v1/notifications", params=params, headers=auth).json()
        assert len(page["items"]) == expected
        items += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    assert {item["id"] for item in items} == {event["id"] for event in events}
    times = [item["created_at"] for item in items]
    assert times == sorted(times, reverse=True)
    newest = items[0]
    assert newest["preview"] == "message 4"
    assert newest["type"] == "message"
    assert newest["conversation_id"] == conversation["id"]
    assert newest["message_id"] == events[4]["message"]["id"]
    assert newest["sender_id"] == ann

    mine = world.http.get("/api/v1/notifications", headers=world.tokens.authorization(ann)).json()
    assert mine == {"items": [], "next_cursor": None, "unread": 0}
    assert world.http.get("/api/v1/notifications").status_code == 401
    for bad in ({"limit": "0"}, {"limit": "201"}, {"cursor": "x"}):
        assert world.http.get("/api/v1/notifications", params=bad, headers=auth).status_code == 422


def test_health_and_openapi(world: World) -> None:
    assert world.http.get("/livez").json() == {"live": True, "not_live": {}}
    assert world.http.get("/readyz").status_code == 200
    document = world.http.get("/openapi.json").json()
    operations = {o["operationId"] for path in document["paths"].values() for o in path.values()}
    assert {"listNotifications", "setNotificationPreferences", "unsubscribe"} <= operations


def test_settings_that_cannot_work_are_named(tokens: TokenAuthority, tmp_path: Path) -> None:
    env = {
        "CHAT_REDIS_URL": "redis://127.0.0.1:1/0",
        "CHAT_DATABASE_URL": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
        "CHAT_USER_URL": "http://127.0.0.1:1",
        "CHAT_PRESENCE_URL": "http://127.0.0.1:1",
        "CHAT_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "CHAT_SMTP_HOST": "mail.example.org",
    }
    program = service_program("notification", tmp_path, env, jwks_file=tokens.jwks_file).program
    assert program.spawn().wait() == 78
    assert "CHAT_SMTP_FROM" in program.log
