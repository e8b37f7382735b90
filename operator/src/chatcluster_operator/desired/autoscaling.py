"""What sets the number of a service's replicas: a HorizontalPodAutoscaler, or KEDA where it is there and sockets count.

Either grows fast and shrinks slowly: people come back all at once, but each pod that goes makes its sockets reconnect.
The Deployment itself never says how many, so that the operator and the autoscaler do not fight.
"""

from typing import Any, Final

from chatcluster_operator.api import ChatCluster
from chatcluster_operator.desired.common import manifest, object_name
from chatcluster_operator.desired.sizing import Size
from chatcluster_operator.desired.types import Inputs, Manifest

SCALED_OBJECT: Final = "ScaledObject"
CONNECTIONS_GAUGE: Final = "chat_socket_connections"
"""The services' gauge of open sockets, labelled with the service."""

_BEHAVIOUR: Final[dict[str, Any]] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    # One pod a minute: its sockets are closed at a bounded rate, and have come back elsewhere before the next one goes.
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
}


def manifests(cluster: ChatCluster, inputs: Inputs, name: str, size: Size, metrics_url: str) -> list[Manifest]:
    """The autoscaler of a service, none where the number is fixed or all is asleep: it would only complain of that.

    `metrics_url` is where each of the pods' metrics are, under the name of a Service with an endpoint for each pod.
    """
    if size.most is None or cluster.spec.hibernated:
        return []
    if size.connections is not None and SCALED_OBJECT in inputs.apis:
        return [_scaled_object(cluster, name, size, metrics_url)]
    return [_autoscaler(cluster, name, size)]


def _target(cluster: ChatCluster, name: str) -> dict[str, str]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": object_name(cluster, name)}


def _autoscaler(cluster: ChatCluster, name: str, size: Size) -> Manifest:
    assert size.most is not None  # noqa: S101 - asked for by the caller
    target = {"type": "Utilization", "averageUtilization": size.target_cpu}
    return manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        cluster,
        object_name(cluster, name),
        name,
        spec={
            "scaleTargetRef": _target(cluster, name),
            "minReplicas": size.replicas.value,
            "maxReplicas": size.most.value,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": _BEHAVIOUR,
        },
    )


def _scaled_object(cluster: ChatCluster, name: str, size: Size, metrics_url: str) -> Manifest:
    """KEDA makes an autoscaler of it. The larger of what the two triggers ask for wins.

    The sum over all pods, a draining one among them, is divided by the target: sockets that are about to move count.
    """
    assert size.most is not None  # noqa: S101 - asked for by the caller
    assert size.connections is not None  # noqa: S101 - asked for by the caller
    sockets = {
        "url": metrics_url,
        "format": "prometheus",
        "valueLocation": f'{CONNECTIONS_GAUGE}{{service="{name}"}}',
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "sum",
        "targetValue": str(size.connections.value),
    }
    return manifest(
        "keda.sh/v1alpha1",
        SCALED_OBJECT,
        cluster,
        object_name(cluster, name),
        name,
        spec={
            "scaleTargetRef": _target(cluster, name),
            "minReplicaCount": size.replicas.value,
            "maxReplicaCount": size.most.value,
            "pollingInterval": 15,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _BEHAVIOUR}},
            "triggers": [
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": str(size.target_cpu)}},
                {"type": "metrics-api", "metricType": "AverageValue", "metadata": sockets},
            ],
        },
    )
