"""Two people chat, through the edge alone."""

import asyncio
import io
import json

import aiohttp
import pytest
from PIL import Image

from chatcluster_testing.cluster import Cluster, until_async
from chatcluster_testing.delivery import check, settle
from chatcluster_testing.people import Person, Transport

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_two_people_exchange_200_messages_each_way(edge: str, transport: Transport) -> None:
    async with await Person.register(edge, "ada") as ada, await Person.register(edge, "bob") as bob:
        room = await ada.conversation(bob)
        devices = await asyncio.gather(ada.device(transport), bob.device(transport))

        async def talk(person: Person, index: int) -> None:
            for n in range(200):
                await devices[index].send(room, f"{person.user['username']} says {n}")

        await asyncio.gather(talk(ada, 0), talk(bob, 1))
        await settle(room, [ada, bob])
        verdict = await check(room, [ada, bob])
        assert verdict.problems == []
        assert (verdict.acknowledged, verdict.stored) == (400, 400)
        assert [device.outages for device in devices] == [[], []]


async def test_rest_and_socket_tell_the_same(edge: str) -> None:
    async with await Person.register(edge, "ada") as ada, await Person.register(edge, "bob") as bob:
        room = await ada.conversation(bob)
        assert await bob.conversation(ada) == room, "a second direct conversation is the first"
        device = await bob.device()
        send = {"client_id": "the-same", "body": "over REST"}
        first = await ada.rest("POST", f"/conversations/{room}/messages", json=send)
        assert await ada.rest("POST", f"/conversations/{room}/messages", json=send) == first
        await settle(room, [bob, ada][:1])
        async with asyncio.timeout(10):
            while bob.inbox.last_seq(room) < 1:
                bob.inbox.changed.clear()
                await bob.inbox.changed.wait()
        assert bob.inbox.messages[room][1] == first
        await device.call("read:mark", {"conversation_id": room, "seq": 1})
        reads = await ada.rest("GET", f"/conversations/{room}/reads")
        assert {r["user_id"]: r["seq"] for r in reads["items"]}[bob.id] == 1


async def test_an_image_is_uploaded_and_its_thumbnail_fetched(edge: str) -> None:
    async with await Person.register(edge, "ada") as ada, await Person.register(edge, "eve") as eve:
        picture = io.BytesIO()
        Image.linear_gradient("L").resize((1600, 900)).save(picture, "PNG")
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", picture.getvalue(), filename="Sonne & Meer.png", content_type="application/x-lie")
        [file] = (await ada.rest("POST", "/files", data=form))["items"]
        assert (file["name"], file["content_type"]) == ("Sonne & Meer.png", "image/png")

        content, content_type = await ada.read(f"/files/{file['id']}/content")
        assert (content, content_type) == (picture.getvalue(), "image/png")

        thumbnail, content_type = await ada.read(f"/files/{file['id']}/thumbnails/small")
        assert content_type == "image/webp"
        assert Image.open(io.BytesIO(thumbnail)).size == (128, 72)

        with pytest.raises(aiohttp.ClientResponseError, match="404"):
            await eve.read(f"/files/{file['id']}/content")


async def test_presence_and_typing_arrive(edge: str) -> None:
    async with await Person.register(edge, "ada") as ada, await Person.register(edge, "bob") as bob:
        room = await ada.conversation(bob)
        watcher = await bob.device(path="/presence/socket.io")
        await watcher.call("presence:subscribe", {"user_ids": [ada.id]})
        device = await ada.device(path="/presence/socket.io")
        await watcher.wait_for("presence:changed", lambda e: (e["user_id"], e["status"]) == (ada.id, "online"))
        await device.call("typing:start", {"conversation_id": room})
        await watcher.wait_for("typing:changed", lambda e: e["user_ids"] == [ada.id])
        await watcher.wait_for("typing:changed", lambda e: e["user_ids"] == [])
        await device.close()
        await watcher.wait_for("presence:changed", lambda e: (e["user_id"], e["status"]) == (ada.id, "offline"))


async def test_mail_reaches_who_is_away(cluster: Cluster) -> None:
    async with await Person.register(cluster.edge, "ada") as ada, await Person.register(cluster.edge, "bob") as bob:
        room = await ada.conversation(bob)
        device = await ada.device()
        await device.send(room, "Are you there?")
        address = bob.user["email"]
        sink = f"/api/v1/namespaces/{cluster.namespace}/services/mail-sink:http/proxy/messages?to={address}"
        [mail] = await until_async(lambda: json.loads(cluster.raw(sink))["items"], f"a mail to {address}")
        assert ada.user["display_name"] in mail["subject"] or ada.user["username"] in mail["subject"]


@pytest.mark.parametrize(
    "path",
    [
        "/internal/users/lookup",
        "/metrics",
        "/readyz",
        "/livez",
        "/api/v1/../../internal/presence",
        "/api/v1/internal/x",
    ],
)
async def test_the_edge_hides_what_is_inside(edge: str, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(edge + path) as response:
        assert response.status in {400, 401, 404}
        assert "chat_http" not in await response.text()


async def test_the_edge_is_healthy(edge: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{edge}/healthz") as response:
        assert response.status == 200
