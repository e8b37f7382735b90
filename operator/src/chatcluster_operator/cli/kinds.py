"""Kinds of object that only a person's tool looks at."""

from typing import Final

from chatcluster_operator.kube import Kind

NODE: Final = Kind("", "v1", "Node", "nodes", namespaced=False)
CLAIM: Final = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
DEFINITION: Final = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
WEBHOOK_KINDS: Final = tuple(
    Kind("admissionregistration.k8s.io", "v1", name, f"{name.lower()}s", namespaced=False)
    for name in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
)
API_SERVICE: Final = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", namespaced=False)
REPLICA_SET: Final = Kind("apps", "v1", "ReplicaSet", "replicasets")
ENDPOINTS: Final = Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
