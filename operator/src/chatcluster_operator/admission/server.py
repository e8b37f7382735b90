"""The webhook's HTTPS server: an AdmissionReview in, an AdmissionReview out, whatever happens in between."""

import asyncio
import ssl
import tempfile
from typing import Any, Final, cast

import structlog
from aiohttp import web

from chatcluster_operator import metrics
from chatcluster_operator.admission.names import PATH
from chatcluster_operator.admission.review import Answer, review
from chatcluster_operator.admission.scout import Scout
from chatcluster_operator.api import ChatCluster, InvalidSpecError
from chatcluster_operator.desired.tls import Pair
from chatcluster_operator.kube import ApiError, Object
from chatcluster_operator.kube.client import CONNECTION_ERRORS

ANSWER_SECONDS: Final = 2.0
"""Seconds that looking things up may take. The API server waits for three."""
_MOST_BYTES: Final = 4 * 1024 * 1024
"""A review holds an object before and after; etcd takes none above 1.5 MiB."""
_UNCHECKED: Final = (
    "not everything could be checked, because the API server did not answer the operator in time; see the conditions"
)


class AdmissionServer:
    """Answers reviews; `port` is the one it listens on, also when 0 was asked for."""

    def __init__(self, scout: Scout, *, host: str, port: int) -> None:
        self._scout = scout
        self._host = host
        self.port = port
        self._log = structlog.get_logger(__name__)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        application = web.Application(client_max_size=_MOST_BYTES)
        application.add_routes([web.post(PATH, self._validate)])
        self._runner = web.AppRunner(application, access_log=None)

    def use(self, pair: Pair) -> None:
        """Present this certificate to whoever connects from now on."""
        # The only way into OpenSSL is by a file; this one is its owner's alone, and gone at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pair.certificate + pair.key)
            file.flush()
            self._tls.load_cert_chain(file.name)

    async def start(self) -> None:
        """Listen. Until there is a certificate no connection comes about. Raises OSError when the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _validate(self, request: web.Request) -> web.Response:
        try:
            question = cast(Object, (await request.json())["request"])
            identity = str(question["uid"])
        except (ValueError, KeyError, TypeError):
            raise web.HTTPBadRequest(text="not an AdmissionReview") from None
        try:
            answer = await self._judge(question)
        except Exception:
            # A defect of a rule must not keep anybody from working.
            self._log.exception("review failed on a defect")
            answer = Answer(warnings=("not checked, because the operator's check failed; its log says why",))
        metrics.REVIEWS.labels("refused" if answer.problems else "warned" if answer.warnings else "ok").inc()
        response: Object = {"uid": identity, "allowed": not answer.problems, "warnings": list(answer.warnings)}
        if answer.problems:
            response["status"] = {"code": 422, "reason": "Invalid", "message": "; ".join(answer.problems)}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    async def _judge(self, question: Object) -> Answer:
        body, old = question["object"], question.get("oldObject")
        if old is not None and (body.get("spec") == old.get("spec") or "deletionTimestamp" in body["metadata"]):
            return Answer()
        try:
            cluster = _read(body, question)
        except InvalidSpecError as error:
            return Answer(problems=tuple(f"{field}: {problem}" for field, problem in error.problems.items()))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                world = await self._scout.world(cluster, new=old is None)
        except (ApiError, *CONNECTION_ERRORS) as error:
            self._log.warning("review without all of its facts", chatcluster=cluster.name, error=repr(error))
            return Answer(warnings=(_UNCHECKED,))
        return review(cluster, _before(old, question), world)


def _read(body: Any, question: Object) -> ChatCluster:
    """The ChatCluster; one that is being made may have no uid yet, nor a name."""
    known = body["metadata"]
    name = known.get("name") or question.get("name") or known.get("generateName", "")
    metadata = {"uid": "", **known, "name": name, "namespace": question["namespace"]}
    return ChatCluster.from_body({**body, "metadata": metadata})


def _before(old: Any, question: Object) -> ChatCluster | None:
    """What it was; None also when that cannot be read any more."""
    try:
        return None if old is None else _read(old, question)
    except InvalidSpecError:
        return None
