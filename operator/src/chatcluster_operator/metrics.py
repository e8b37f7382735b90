"""The operator's own metrics. One registry of its own, so that nothing else on the page needs explaining."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

RECONCILE_SECONDS: Final = Histogram(
    "chatcluster_operator_reconcile_seconds",
    "Time that one look at a ChatCluster took.",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RECONCILES: Final = Counter(
    "chatcluster_operator_reconciles_total",
    "Looks at a ChatCluster, by result: ok, unchanged (nothing to look at), blocked (waits for a person), "
    "under_way, failed, standby, gone.",
    ["result"],
    registry=REGISTRY,
)
QUEUE_SECONDS: Final = Histogram(
    "chatcluster_operator_queue_seconds",
    "Time from the first event that woke a ChatCluster's worker to its turn.",
    registry=REGISTRY,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WORKERS: Final = Gauge("chatcluster_operator_workers", "ChatClusters looked after.", registry=REGISTRY)
LEADER: Final = Gauge("chatcluster_operator_leader", "1 when this replica leads.", registry=REGISTRY)
APPLIES: Final = Counter(
    "chatcluster_operator_applies_total",
    "Objects applied, by reason: create, change, drift, verify.",
    ["reason"],
    registry=REGISTRY,
)
DRIFT: Final = Counter(
    "chatcluster_operator_drift_corrections_total",
    "Objects put back after somebody deleted or changed them.",
    ["kind"],
    registry=REGISTRY,
)
REPLACED: Final = Counter(
    "chatcluster_operator_replaced_total",
    "Objects deleted to be made anew, because a field that cannot change had to.",
    ["kind"],
    registry=REGISTRY,
)
REVIEWS: Final = Counter(
    "chatcluster_operator_reviews_total",
    "ChatClusters that the webhook was asked about, by answer: ok, warned, refused.",
    ["answer"],
    registry=REGISTRY,
)
STORE_ORDERS: Final = Counter(
    "chatcluster_operator_store_orders_total",
    "What stores were told to do by their own protocols, by order and result: ok, failed.",
    ["store", "order", "result"],
    registry=REGISTRY,
)
FAILOVERS: Final = Counter(
    "chatcluster_operator_failovers_total",
    "Times that another member of a store came to lead, switchovers among them.",
    ["store"],
    registry=REGISTRY,
)
FAILOVER_SECONDS: Final = Histogram(
    "chatcluster_operator_failover_seconds",
    "Time from the first sign that a store's leader might be gone until another was seen to lead.",
    ["store"],
    registry=REGISTRY,
    buckets=(0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300),
)
GIVEN_UP: Final = Counter(
    "chatcluster_operator_members_remade_total",
    "Members of stores whose volume was given up so that they are made anew.",
    ["store"],
    registry=REGISTRY,
)
EXPANDED: Final = Counter(
    "chatcluster_operator_volumes_expanded_total",
    "Volume claims that were asked for a larger size.",
    ["store"],
    registry=REGISTRY,
)
NEWEST_BACKUP: Final = Gauge(
    "chatcluster_operator_newest_backup_timestamp_seconds",
    "Moment of the newest whole backup of a ChatCluster with spec.backup, Unix time: time() minus it is its age.",
    ["namespace", "chatcluster"],
    registry=REGISTRY,
)
PRUNED: Final = Counter(
    "chatcluster_operator_pruned_total", "Objects deleted because no spec asks for them.", ["kind"], registry=REGISTRY
)
EVENT_AGE: Final = Gauge(
    "chatcluster_operator_watch_silence_seconds",
    "Seconds since the watch of a kind last said anything, a bookmark included.",
    ["kind"],
    registry=REGISTRY,
)
DEAF_WATCHES: Final = Counter(
    "chatcluster_operator_deaf_watches_total",
    "Watches that were closed and begun anew by a full list, because they had gone silent or missed the canary.",
    ["kind"],
    registry=REGISTRY,
)
CANARY_SECONDS: Final = Histogram(
    "chatcluster_operator_canary_seconds",
    "Time from a change of the canary to its coming back through the watch.",
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
API_CALLS: Final = Counter(
    "chatcluster_operator_api_calls_total",
    "Calls that the API server answered, by method and HTTP status.",
    ["method", "status"],
    registry=REGISTRY,
)
RELISTS: Final = Counter(
    "chatcluster_operator_relists_total", "Full lists made by the watch of a kind.", ["kind"], registry=REGISTRY
)
