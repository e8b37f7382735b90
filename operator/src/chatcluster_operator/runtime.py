"""The operator put together: each room made once, given what it needs, started in order and stopped in the reverse."""

import asyncio
from typing import Any

import kopf
import structlog

from chatcluster_operator.act import Actor, Events
from chatcluster_operator.admission import SERVICE, AdmissionServer, Scout, WebhookCertificate
from chatcluster_operator.health import HealthServer
from chatcluster_operator.kube import CHATCLUSTER, ApiError, Client
from chatcluster_operator.kube.client import CONNECTION_ERRORS
from chatcluster_operator.leader import Elector
from chatcluster_operator.observe import ANSWERS_SECONDS, Backoff, Observer, child_of
from chatcluster_operator.reconcile import Reconciler
from chatcluster_operator.settings import Settings


class Runtime:
    """One operator process, apart from kopf. `failed` is set when a part that should run for ever has ended."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.failed = asyncio.Event()
        self._client = client
        self._log = structlog.get_logger(__name__)
        self.reconciler = Reconciler(concurrency=settings.concurrency, resync=settings.resync)
        self._observer = Observer(
            client,
            namespace=settings.namespace,
            watched=settings.watch_namespaces,
            seen=self.reconciler.see,
            gone=self.reconciler.gone,
            changed=self.reconciler.wake,
            catalogue_changed=self.reconciler.wake_all,
            apis_changed=self.reconciler.wake_all,
        )
        self._elector = Elector(
            client, namespace=settings.namespace, identity=settings.identity, changed=self.reconciler.lead
        )
        self.reconciler.connect(
            observer=self._observer,
            actor=Actor(client, self._elector, read=child_of, written=self._observer.written),
            events=Events(client, self._elector, identity=settings.identity),
        )
        self._health = HealthServer(host=settings.host, port=settings.port, live=self._live, ready=self._ready)
        self._webhook: AdmissionServer | None = None
        if settings.webhook_port is not None:
            self._webhook = AdmissionServer(
                Scout(client, self._observer), host=settings.host, port=settings.webhook_port
            )
            self._certificate = WebhookCertificate(
                client,
                self._elector,
                namespace=settings.namespace,
                names=_webhook_names(settings),
                use=self._webhook.use,
            )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start everything, once the API server knows ChatClusters. Raises OSError when a port is taken."""
        await self._health.start()
        await self._wait_for_definition()
        if self._webhook is not None:
            # What may fail comes first: who never started must not hold the lease.
            await self._webhook.start()
        self._tasks = [
            *self._observer.start(),
            asyncio.create_task(self._elector.run(), name="elector"),
            asyncio.create_task(self.reconciler.orphans.run(), name="ChatBackups without a ChatCluster"),
        ]
        if self._webhook is not None:
            self._tasks.append(asyncio.create_task(self._certificate.run(), name="webhook certificate"))
        for task in self._tasks:
            task.add_done_callback(self._ended)
        self._log.info("started", port=self._health.port)

    async def stop(self) -> None:
        """Stop everything, and let another replica lead at once."""
        await self.reconciler.stop()
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._webhook is not None:
            await self._webhook.stop()
        await self._elector.release()
        await self._health.stop()
        self._log.info("stopped")

    async def connection(self) -> kopf.ConnectionInfo:
        """The client's connection as kopf takes it, the token as fresh as it is."""
        configuration: Any = self._client.configuration
        header = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        scheme, _, token = (header or "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            insecure=not configuration.verify_ssl,
            scheme=scheme or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )

    async def _wait_for_definition(self) -> None:
        backoff = Backoff(first=0.5, cap=10.0)
        while True:
            try:
                if await self._client.serves(CHATCLUSTER):
                    return
                self._log.warning("the API server does not know ChatClusters; apply operator/install.yaml")
            except (ApiError, *CONNECTION_ERRORS) as error:
                self._log.warning("the API server does not answer", error=repr(error))
            await asyncio.sleep(backoff.next())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._log.error("a part that should run for ever has ended", part=task.get_name(), exc_info=task.exception())
        self.failed.set()

    def _live(self) -> list[str]:
        return [f"the watch of {kind} is deaf and could not be mended" for kind in self._observer.deaf()]

    def _ready(self) -> list[str]:
        problems = [] if self._observer.synced else ["the first lists are not complete"]
        if self._client.silence() > ANSWERS_SECONDS:
            problems.append(f"the API server has not answered for {self._client.silence():.0f} s")
        return problems + self._live()


def _webhook_names(settings: Settings) -> frozenset[str]:
    """What the API server calls the webhook by, and the address where that is a certain one."""
    names = {f"{SERVICE}.{settings.namespace}.svc", f"{SERVICE}.{settings.namespace}.svc.cluster.local"}
    return frozenset(names if settings.host in {"0.0.0.0", "::"} else {*names, settings.host})  # noqa: S104 - compared
