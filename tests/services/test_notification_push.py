"""Messages to pushes: what a device gets, what becomes of one that is gone, and whom a push may not be sent to."""

import uuid
from pathlib import Path

from chatcluster_testing.notifying import World
from chatcluster_testing.process import running_service, wait_until
from chatcluster_testing.push import Device

SUBSCRIPTIONS = "/api/v1/notifications/push-subscriptions"


def wait_for_push(device: Device, count: int = 1) -> None:
    wait_until(lambda: len(device.pushes) >= count, f"push {count}")


def test_a_push_to_each_device(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    phone, laptop = world.subscribe(bob), world.subscribe(bob)
    event = world.event(ann, [ann, bob], "Lunch? " + "x" * 500)
    world.wait_until_handled(event, event)
    for device in (phone, laptop):
        wait_for_push(device)
    (push,) = phone.pushes
    assert push.content["title"] == "Ann wrote to you"
    assert push.content["body"].startswith("Lunch? x")
    assert push.content["conversation_id"] == event["conversation"]["id"]
    assert push.content["message_id"] == event["message"]["id"]
    assert push.content["url"] == "https://chat.example.org/"
    assert push.headers["urgency"] == "high"
    assert int(push.headers["ttl"]) > 0
    assert len(push.headers["topic"]) <= 32
    assert push.claims["sub"] == "https://chat.example.org/"
    key = world.http.get("/api/v1/notifications/push-key", headers=world.tokens.authorization(bob)).json()["public_key"]
    assert push.headers["authorization"].endswith(f"k={key}")

    tea = {"type": "group", "name": "Tea", "id": str(uuid.uuid4())}
    world.publish(*(world.event(ann, [ann, bob], f"n{n}", conversation=tea) for n in range(3)))
    wait_until(lambda: sum(push.content["count"] for push in phone.pushes) == 4, "the others")
    assert phone.pushes[-1].content["body"] == "n2"
    assert len({push.headers["topic"] for push in phone.pushes}) == 2
    assert phone.pushes[-1].headers["urgency"] == "normal"
    # Without devices or against the person's wish there is nothing.
    world.prefer(bob, channels={"push": False})
    world.wait_until_handled(world.event(ann, [ann, bob], "not pushed"))
    assert all(push.content["body"] != "not pushed" for push in phone.pushes)


def test_a_device_that_is_gone_is_forgotten(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    gone, there = world.subscribe(bob), world.subscribe(bob)
    gone.answers.append((410, {}))
    world.publish(world.event(ann, [ann, bob]))
    wait_for_push(there)
    auth = world.tokens.authorization(bob)
    wait_until(lambda: len(world.http.get(SUBSCRIPTIONS, headers=auth).json()["items"]) == 1, "it to be forgotten")
    assert gone.pushes == []


def test_what_fails_for_one_device_is_tried_again_for_that_one(world: World) -> None:
    ann, bob = world.person("Ann"), world.person("Bob")
    slow, there, never = world.subscribe(bob), world.subscribe(bob), world.subscribe(bob)
    slow.answers += [(503, {}), (429, {"Retry-After": "1"})]
    never.answers.append((400, {}))
    world.publish(world.event(ann, [ann, bob]))
    for device in (slow, there):
        wait_for_push(device)
    assert slow.attempts == 3
    assert (there.attempts, len(there.pushes)) == (1, 1)
    wait_until(lambda: [d["kind"] for d in world.dead() if d["recipient_id"] == bob] == ["push"], "one put aside")


def test_subscriptions_come_and_go(world: World) -> None:
    bob, eve = world.person("Bob"), world.person("Eve")
    auth = world.tokens.authorization(bob)
    device = world.subscribe(bob)
    body = device.subscription() | {"expirationTime": 4_000_000_000_000}
    again = world.http.post(SUBSCRIPTIONS, json=body, headers=auth)
    (listed,) = world.http.get(SUBSCRIPTIONS, headers=auth).json()["items"]
    assert listed == again.json()
    assert listed["expires_at"] == "2096-10-02T07:06:40.000Z"
    # The browser is used by somebody else now.
    world.http.post(SUBSCRIPTIONS, json=body, headers=world.tokens.authorization(eve))
    assert world.http.get(SUBSCRIPTIONS, headers=auth).json()["items"] == []
    (hers,) = world.http.get(SUBSCRIPTIONS, headers=world.tokens.authorization(eve)).json()["items"]
    for subscription_id in (hers["id"], str(uuid.uuid4()), "x", "%00"):
        assert world.http.delete(f"{SUBSCRIPTIONS}/{subscription_id}", headers=auth).status_code == 404
    mine = world.tokens.authorization(eve)
    assert world.http.delete(f"{SUBSCRIPTIONS}/{hers['id']}", headers=mine).status_code == 204
    last = [world.subscribe(bob) for _ in range(22)][-1]
    assert len(world.http.get(SUBSCRIPTIONS, headers=auth).json()["items"]) == 20
    assert world.http.delete(SUBSCRIPTIONS, headers=auth).status_code == 204
    assert world.http.get(SUBSCRIPTIONS, headers=auth).json()["items"] == []
    good = last.subscription()
    wrong = [
        good | {"keys": good["keys"] | {"p256dh": "AAAA"}},
        good | {"keys": good["keys"] | {"auth": "é"}},
        good | {"expirationTime": -1},
        good | {"expirationTime": 1e300},
        good | {"expirationTime": False},
        good | {"endpoint": "x" * 3000},
    ]
    for bad in wrong:
        answer = world.http.post(SUBSCRIPTIONS, json=bad, headers=auth)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_device_of_a_session_that_is_over_gets_nothing(world: World) -> None:
    bob = world.person("Bob")
    world.subscribe(bob, session_id="session-that-ends")
    world.subscribe(bob, session_id="session-that-stays")
    world.redis.xadd("auth:signals", {"kind": "session_revoked", "session_id": "session-that-ends", "user_id": bob})
    auth = world.tokens.authorization(bob)
    wait_until(lambda: len(world.http.get(SUBSCRIPTIONS, headers=auth).json()["items"]) == 1, "it to be forgotten")


def test_nothing_is_sent_into_the_network_of_the_service(world: World, tmp_path: Path) -> None:
    strict = dict(world.service.program.env) | {"CHAT_PUSH_ANYWHERE": "false"}
    for own in ("CHAT_PORT", "CHAT_SECRETS_DIR"):
        del strict[own]
    auth = world.tokens.authorization(str(uuid.uuid4()))
    body = world.push.device().subscription()
    jwks_file = Path(strict["CHAT_JWKS_FILE"])
    with running_service("notification", tmp_path, strict, jwks_file=jwks_file) as service:
        for endpoint in (body["endpoint"], "https://127.0.0.1/x", "https://[::1]/", "https://demo-user/internal"):
            answer = world.http.post(f"{service.url}{SUBSCRIPTIONS}", json=body | {"endpoint": endpoint}, headers=auth)
            assert answer.status_code == 422, endpoint
            assert answer.json()["errors"][0]["field"] == "body.endpoint"
