"""One ChatCluster as read from the API server."""

from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import Field, ValidationError

from chatcluster_operator.api.constants import API_VERSION, KIND
from chatcluster_operator.api.model import Model
from chatcluster_operator.api.spec import ChatClusterSpec


class InvalidSpecError(ValueError):
    """A spec that cannot be acted on. `problems` maps each field, such as `spec.edge.replicas`, to what is wrong."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{field}: {message}" for field, message in self.problems.items()))


class ChatCluster(Model):
    """The object's identity, its checked spec, and its status as it stands."""

    name: str
    namespace: str
    uid: str
    generation: int
    deleting: bool
    """Whether deletion was asked for; the object stays until its finalizers are gone."""
    spec: ChatClusterSpec
    annotations: dict[str, str] = Field(default_factory=dict[str, str])
    """What people and tools ask for by annotation."""
    created: str = ""
    """When it was made, RFC 3339."""
    status: dict[str, Any]
    """The raw status, empty when there is none yet."""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read the object in the form in which the API server returns it. Raises InvalidSpecError for a bad spec."""
        metadata = cast(Mapping[str, Any], body["metadata"])
        try:
            spec = ChatClusterSpec.model_validate(_plain(body.get("spec") or {}))
        except ValidationError as error:
            raise InvalidSpecError(_problems(error)) from None
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            deleting=metadata.get("deletionTimestamp") is not None,
            spec=spec,
            annotations=_plain(metadata.get("annotations") or {}),
            created=metadata.get("creationTimestamp") or "",
            status=_plain(body.get("status") or {}),
        )

    def store_status(self, store: str) -> dict[str, Any]:
        """What the raw status says of a store with several members; empty when it says nothing."""
        stores: dict[str, dict[str, Any]] = self.status.get("stores") or {}
        return stores.get(store, {})

    @property
    def owner_reference(self) -> dict[str, Any]:
        """The reference that makes this object the controller of another, so that both are deleted together."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def _plain(value: Any) -> Any:
    """A copy made of dicts and lists alone: kopf hands out read-only views, which pydantic does not take for dicts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast(list[Any], value)]
    return value


def _problems(error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        field = ".".join(("spec", *(str(part) for part in item["loc"])))
        message = "no such field; remove it or correct its name" if item["type"] == "extra_forbidden" else item["msg"]
        problems[field] = message.removeprefix("Value error, ")
    return problems
