"""The informer against a real API server, through a proxy that can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator.kube import KINDS, Client, Kind, Object
from chatcluster_operator.metrics import REGISTRY
from chatcluster_operator.observe import Informer
from chatcluster_operator.observe.informer import SILENCE, Listing
from chatcluster_testing.control_plane import ControlPlane
from chatcluster_testing.faulty_api import faulty
from chatcluster_testing.process import free_port

CONFIG_MAPS = KINDS["ConfigMap"]
LABELS = {"example.com/informer": "yes"}
SELECTOR = {"labelSelector": "example.com/informer=yes"}


class Recorder:
    """A sink that keeps what it is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.bodies: list[Object] = []
        self._changed = asyncio.Event()

    def put(self, kind: Kind, body: Object) -> None:
        del kind
        self.names.add(body["metadata"]["name"])
        self.bodies.append(body)
        self._changed.set()

    def remove(self, kind: Kind, body: Object) -> None:
        del kind
        self.names.discard(body["metadata"]["name"])
        self._changed.set()

    def retain(self, kind: Kind, listing: Listing) -> None:
        del kind
        self.names &= {name for _, name in listing.seen}
        self._changed.set()

    async def until(self, names: set[str]) -> None:
        """Wait until exactly these are known."""
        async with asyncio.timeout(15):
            while self.names != names:
                self._changed.clear()
                await self._changed.wait()


class Proxy:
    """Passes TCP connections on to the API server, until they are cut."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Break every connection and take no more."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def proxy(plane: ControlPlane) -> AsyncIterator[Proxy]:
    """A proxy before the API server."""
    proxy = Proxy(plane.port)
    await proxy.open()
    yield proxy
    await proxy.cut()


@pytest.fixture
async def client(plane: ControlPlane, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """The operator's client, connected through the proxy as administrator."""
    monkeypatch.setenv("NO_PROXY", "*")
    path = plane.kubeconfig("informer", server=f"https://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    client = await Client.connect()
    yield client
    await client.close()


@pytest.fixture
def namespace(plane: ControlPlane, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.replace("_", "-")[:50].rstrip("-")
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@contextlib.asynccontextmanager
async def informed(
    client: Client, namespace: str, kind: Kind = CONFIG_MAPS, *, patience: float = SILENCE
) -> AsyncIterator[tuple[Informer, Recorder]]:
    """A running informer of the labelled objects in one namespace."""
    recorder = Recorder()
    informer = Informer(client, kind, recorder, selector=SELECTOR, namespace=namespace, patience=patience)
    task = asyncio.create_task(informer.run())
    try:
        async with asyncio.timeout(15):
            await informer.synced.wait()
        yield informer, recorder
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class ConfigMaps:
    """ConfigMaps made by somebody else, without holding up the event loop."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._api = plane.api
        self._path = CONFIG_MAPS.path(namespace)

    async def create(self, name: str, data: str = "value", **labels: str) -> Object:
        """Make one; without labels it gets those that the informer selects."""
        body = {"metadata": {"name": name, "labels": labels or LABELS}, "data": {"key": data}}
        return await asyncio.to_thread(self._api.create, self._path, body)

    async def delete(self, name: str) -> None:
        """Delete one."""
        await asyncio.to_thread(self._api.delete, f"{self._path}/{name}")


@pytest.fixture
def config_maps(plane: ControlPlane, namespace: str) -> ConfigMaps:
    """The ConfigMaps of the test's namespace."""
    return ConfigMaps(plane, namespace)


async def test_lists_then_follows(client: Client, namespace: str, config_maps: ConfigMaps) -> None:
    await config_maps.create("before")
    await config_maps.create("other", other="label")
    async with informed(client, namespace) as (_, recorder):
        assert recorder.names == {"before"}
        await config_maps.create("after")
        await recorder.until({"before", "after"})
        await config_maps.delete("before")
        await recorder.until({"after"})
        assert all("data" not in body for body in recorder.bodies), "metadata alone is asked for"
        assert all(body["metadata"]["managedFields"] for body in recorder.bodies)


async def test_a_list_of_several_pages_is_read_whole(client: Client, namespace: str, config_maps: ConfigMaps) -> None:
    names = {f"page-{number}" for number in range(5)}
    for name in names:
        await config_maps.create(name)
    pages = [page async for page in client.pages(CONFIG_MAPS, namespace, selector=SELECTOR, size=2)]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert {item["metadata"]["name"] for page in pages for item in page["items"]} == names


async def test_a_cut_connection_is_made_up_for(
    client: Client, proxy: Proxy, namespace: str, config_maps: ConfigMaps
) -> None:
    await config_maps.create("first")
    async with informed(client, namespace) as (_, recorder):
        await proxy.cut()
        await config_maps.create("second")
        await config_maps.delete("first")
        await proxy.open()
        await recorder.until({"second"})


async def test_a_version_too_old_leads_to_a_fresh_list(
    client: Client, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch from before the kind was defined is answered with 410; what was missed is found by listing."""
    await asyncio.to_thread(plane.api.create, DEFINITIONS, definition())
    path = f"{THINGS.path('default')}"
    watch, versions = client.watch, list[str]()

    def first_from_long_ago(*args: Any, version: str, **more: Any) -> Any:
        versions.append(version)
        if len(versions) > 1:
            return watch(*args, version=version, **more)
        plane.api.delete(f"{path}/old")
        plane.api.create(path, thing("new"))
        return watch(*args, version="1", **more)

    monkeypatch.setattr(client, "watch", first_from_long_ago)
    async with asyncio.timeout(15):
        while not await client.serves(THINGS):
            await asyncio.sleep(0.05)
    await asyncio.to_thread(plane.api.create, path, thing("old"))
    async with informed(client, "default", THINGS) as (_, recorder):
        await recorder.until({"new"})
    assert REGISTRY.get_sample_value("chatcluster_operator_relists_total", {"kind": "Thing"}) == 2
    assert len(versions) == 2


THINGS = Kind("example.com", "v1", "Thing", "things")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def thing(name: str) -> Object:
    """An object of a kind of the test's own."""
    return {"apiVersion": THINGS.api_version, "kind": THINGS.name, "metadata": {"name": name, "labels": LABELS}}


def definition() -> Object:
    """That kind."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing"}
    return {
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }


async def test_a_watch_that_falls_silent_is_listed_anew(
    plane: ControlPlane, namespace: str, config_maps: ConfigMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stands and nothing comes, not even bookmarks."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    labels = {"kind": "ConfigMap"}
    before = REGISTRY.get_sample_value("chatcluster_operator_deaf_watches_total", labels) or 0
    with faulty(plane) as api:
        api.deaf = lambda _: True
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig("silent", server=api.url)))
        client = await Client.connect()
        try:
            async with informed(client, namespace, patience=1.0) as (informer, recorder):
                await config_maps.create("unheard-of")
                await recorder.until({"unheard-of"})
                assert informer.silence() < 15
        finally:
            await client.close()
    assert (REGISTRY.get_sample_value("chatcluster_operator_deaf_watches_total", labels) or 0) > before


async def test_an_object_of_any_size_is_taken(client: Client, namespace: str, config_maps: ConfigMaps) -> None:
    whole = replace(CONFIG_MAPS, metadata_only=False)
    async with informed(client, namespace, whole) as (_, recorder):
        await config_maps.create("large", data="x" * 900_000)
        await recorder.until({"large"})
        assert len(recorder.bodies[-1]["data"]["key"]) == 900_000
