"""The world as the operator sees it: informers keep a small copy of every child, and a snapshot is cut from it."""

from chatcluster_operator.observe.cache import Cache, Owner
from chatcluster_operator.observe.informer import Backoff, Informer
from chatcluster_operator.observe.observer import ANSWERS_SECONDS, CatalogueError, Observer
from chatcluster_operator.observe.project import child_of, fields_digest, owner_of, pod_of
from chatcluster_operator.observe.references import References, look_up
from chatcluster_operator.observe.room import Room
from chatcluster_operator.observe.scraper import Scraper
from chatcluster_operator.observe.sockets import Sockets

__all__ = [
    "ANSWERS_SECONDS",
    "Backoff",
    "Cache",
    "CatalogueError",
    "Informer",
    "Observer",
    "Owner",
    "References",
    "Room",
    "Scraper",
    "Sockets",
    "child_of",
    "fields_digest",
    "look_up",
    "owner_of",
    "pod_of",
]
