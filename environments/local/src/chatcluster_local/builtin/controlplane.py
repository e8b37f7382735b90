"""The control plane: what kwokctl starts (etcd, API server, controllers, scheduler), and DNS, metrics and volumes.

All are plain processes of one machine, so they ask the nodes for nothing and outlive the loss of any of them. Only the
API server, DNS and the metrics server can be reached from outside that machine.
"""

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from ..programs import SOURCES, Programs, module_version
from . import sized
from .addresses import API_PORT, AddressPlan
from .cgroups import Group
from .machines import SYSTEM_PATH, Cables, Machine, Program, write_private
from .nodes import VOLUMES
from .volumes import PROVISIONER, STORAGE_CLASS

METRICS_PORT = 4443
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""The programs that kwokctl starts, by their process names."""
CREATE_TIMEOUT = 120.0
KWOK_NAME = "local"

CORE_FILE = """
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {address}
    errors
    ready 127.0.0.1:8181
    kubernetes {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    cache 5
    loadbalance
}}
.:53 {{
    bind {address}
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def option(key: str, value: Any, *, override: bool = False) -> dict[str, Any]:
    """One more argument for a component of kwokctl's; `override` replaces the one that it passes itself."""
    return {"key": key, "value": str(value), "override": override}


def kwok_config(plan: AddressPlan, programs: Programs, pki: Path) -> dict[str, Any]:
    """The configuration that kwokctl makes the control plane from."""
    version = module_version((SOURCES / "kubernetes/go.mod").read_text(), "k8s.io/kubernetes")
    api_server = [
        option("bind-address", "0.0.0.0", override=True),  # noqa: S104 - in the machine's own network
        option("advertise-address", plan.control_plane),
        option("service-cluster-ip-range", plan.services),
        option("kubelet-client-certificate", pki / "admin.crt"),
        option("kubelet-client-key", pki / "admin.key"),
        option("kubelet-preferred-address-types", "InternalIP"),
        # Services of the control plane are reached at their endpoints: there is no kube-proxy here.
        option("enable-aggregator-routing", "true"),
        option("requestheader-client-ca-file", pki / "ca.crt"),
        option("requestheader-allowed-names", "kwok-admin"),
        option("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
        option("requestheader-group-headers", "X-Remote-Group"),
        option("requestheader-username-headers", "X-Remote-User"),
    ]
    controller_manager = [
        # A lost node is noticed within seconds, so that failures can be tried out in the time one is willing to wait.
        option("node-monitor-period", "2s", override=True),
        option("node-monitor-grace-period", "20s", override=True),
        # One of each: a restarted one need not wait for the lease of the one before.
        option("leader-elect", "false"),
    ]
    kwok = [
        option("manage-all-nodes", "false", override=True),
        option("manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake"),
    ]
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "metadata": {"name": KWOK_NAME},
        "options": {
            "runtime": "binary",
            "kubeVersion": version,
            "bindAddress": "127.0.0.1",
            "securePort": True,
            "kubeAuthorization": True,
            "kubeAdmission": True,
            "kubeApiserverPort": API_PORT,
            "kubeApiserverCertSANs": [str(plan.api_service), str(plan.control_plane)],
            "etcdPort": 2379,
            "etcdPeerPort": 2380,
            "kubeControllerManagerPort": 10257,
            "kubeSchedulerPort": 10259,
            "kwokControllerPort": 10247,
            "etcdBinary": str(programs.path("etcd")),
            "kubeApiserverBinary": str(programs.path("kube-apiserver")),
            "kubeControllerManagerBinary": str(programs.path("kube-controller-manager")),
            "kubeSchedulerBinary": str(programs.path("kube-scheduler")),
            "kubectlBinary": str(programs.path("kubectl")),
            "kwokControllerBinary": str(programs.path("kwok")),
        },
        "componentsPatches": [
            {"name": "kube-apiserver", "extraArgs": api_server},
            {"name": "kube-controller-manager", "extraArgs": controller_manager},
            {"name": "kube-scheduler", "extraArgs": [option("leader-elect", "false")]},
            {"name": "kwok-controller", "extraArgs": kwok},
        ],
    }


def add_ons(plan: AddressPlan) -> list[dict[str, Any]]:
    """What a cluster is expected to bring: DNS and metrics as Services, and a default storage class."""

    def service(name: str, address: str | None, ports: list[tuple[str, str, int, int]]) -> list[dict[str, Any]]:
        # Without a selector: the endpoints are processes of the control plane.
        labels = {"kubernetes.io/service-name": name}
        spec: dict[str, Any] = {
            "ports": [{"name": n, "protocol": p, "port": port, "targetPort": target} for n, p, port, target in ports]
        }
        if address:
            spec["clusterIP"] = address
        slices = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-control-plane", "namespace": "kube-system", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": n, "protocol": p, "port": target} for n, p, _, target in ports],
            "endpoints": [{"addresses": [str(plan.control_plane)], "conditions": {"ready": True}}],
        }
        metadata = {"name": name, "namespace": "kube-system"}
        return [{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, slices]

    return [
        *service("kube-dns", str(plan.dns_service), [("dns", "UDP", 53, 53), ("dns-tcp", "TCP", 53, 53)]),
        *service("metrics-server", None, [("https", "TCP", 443, METRICS_PORT)]),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": "metrics-server", "namespace": "kube-system"},
            },
        },
        *storage_classes(),
    ]


def storage_classes() -> list[dict[str, Any]]:
    """Folders of the nodes' disks, which is the default, and memory of a true size."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
        },
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": sized.STORAGE_CLASS,
                "annotations": {"kubernetes.io/description": "Memory of the node, for tests alone: gone with it."},
            },
            "provisioner": sized.PROVISIONER,
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
            "allowVolumeExpansion": True,
        },
    ]


class ControlPlane:
    """The machine of the control plane and its programs."""

    def __init__(
        self, *, plan: AddressPlan, programs: Programs, machines: Path, logs: Path, group: Group, kubeconfig: Path
    ) -> None:
        self.kubeconfig = kubeconfig
        self.link = plan.link("control-plane")
        self._plan = plan
        self._programs = programs
        self._machines = machines
        self._folder = machines / "control-plane"
        self.machine = Machine("control-plane", folder=self._folder, logs=logs, group=group, path=SYSTEM_PATH)

    @property
    def _kwok(self) -> Path:
        return self._folder / "kwok"

    @property
    def _cluster(self) -> Path:
        return self._kwok / "clusters" / KWOK_NAME

    @property
    def pki(self) -> Path:
        """`ca.crt`, `admin.crt` and `admin.key`; the first signs everybody's certificates."""
        return self._cluster / "pki"

    def credentials(self) -> dict[str, str]:
        """The texts of those files, by their names."""
        return {name: (self.pki / name).read_text() for name in ("ca.crt", "admin.crt", "admin.key")}

    @property
    def kube_logs(self) -> Path:
        """The logs of kwokctl's components."""
        return self._cluster / "logs"

    def start(self, cables: Cables, nodes: int) -> bool:
        """Start whatever does not run, and wait until the API answers; return whether anything was started."""
        started = self.machine.start()
        if started or self.link not in Cables.links():
            cables.plug(self.machine, self.link, str(self._plan.control_plane))
            # Webhooks and aggregated APIs are served by pods.
            routes = "".join(
                f"route replace {self._plan.pods_of(number)} via {self._plan.node(number)}\n"
                for number in range(1, nodes + 1)
            )
            self.machine.inside(["ip", "-batch", "-"], input=routes)
        if started:
            # In the new machine process ids begin anew: one noted before may be another program's now.
            for note in self._cluster.glob("pids/*"):
                note.unlink()
        if self._create() or set(COMPONENTS) - self.components():
            self._kwokctl("start", "cluster", "--wait", "60s")
            started = True
        self._write_kubeconfig()
        for program in (self._dns(), self._metrics(), self._volumes()):
            started |= self.machine.ensure(program)
        return started

    def components(self) -> set[str]:
        """Which of kwokctl's programs run."""
        return self.components_of(self.machine)

    @staticmethod
    def components_of(machine: Machine) -> set[str]:
        """Which of kwokctl's programs run in the machine of a control plane."""
        names: set[str] = set()
        for pid in machine.group.processes():
            try:
                executable = Path(f"/proc/{pid}/exe").readlink().name
            except OSError:
                continue
            names.add(executable)
        return names & set(COMPONENTS)

    def _create(self) -> bool:
        """Lay the control plane out unless it is, as configured; its certificates and data outlive a change."""
        config = yaml.safe_dump(kwok_config(self._plan, self._programs, self.pki))
        digest, mark = hashlib.sha256(config.encode()).hexdigest(), self._kwok / "config.sha256"
        if mark.exists() and mark.read_text() == digest:
            return False
        if (self._cluster / "kwok.yaml").exists():
            self._kwokctl("stop", "cluster")
            (self._cluster / "kwok.yaml").unlink()
            shutil.rmtree(self._cluster / "bin", ignore_errors=True)
        write_private(self._kwok / "config.yaml", config)
        self._kwokctl("create", "cluster", "--config", str(self._kwok / "config.yaml"), "--wait", "60s")
        write_private(mark, digest)
        return True

    def _kwokctl(self, *arguments: str) -> None:
        self.machine.inside(
            [self._programs.path("kwokctl"), "--name", KWOK_NAME, *arguments],
            env={"KWOK_WORKDIR": str(self._kwok), "KUBECONFIG": str(self._kwok / "unused.kubeconfig")},
            timeout=CREATE_TIMEOUT,
        )

    def _write_kubeconfig(self) -> None:
        def data(name: str) -> str:
            return base64.b64encode((self.pki / name).read_bytes()).decode()

        server = f"https://{self._plan.control_plane}:{API_PORT}"
        name = self._machines.parent.name
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}}],
            "users": [
                {
                    "name": "admin",
                    "user": {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")},
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "admin"}}],
            "current-context": name,
        }
        text = yaml.safe_dump(config)
        if not self.kubeconfig.exists() or self.kubeconfig.read_text() != text:
            write_private(self.kubeconfig, text)

    def add_ons(self) -> str:
        """The add-ons as text for `kubectl apply`."""
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": add_ons(self._plan)})

    @property
    def _local_kubeconfig(self) -> Path:
        return self._cluster / "kubeconfig.yaml"

    def _dns(self) -> Program:
        file = self._folder / "Corefile"
        text = CORE_FILE.format(address=self._plan.control_plane, kubeconfig=self._local_kubeconfig)
        return Program("coredns", [str(self._programs.path("coredns")), "-conf", str(file)], {file: text})

    def _metrics(self) -> Program:
        config = self._local_kubeconfig
        return Program(
            "metrics-server",
            [
                str(self._programs.path("metrics-server")),
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                f"--secure-port={METRICS_PORT}",
                f"--cert-dir={self._folder / 'metrics-server'}",
                "--metric-resolution=15s",
                "--kubelet-insecure-tls",
                "--kubelet-preferred-address-types=InternalIP",
            ],
        )

    def _volumes(self) -> Program:
        return Program(
            "volumes",
            [
                *(sys.executable, "-m", "chatcluster_local.builtin.volumes"),
                *("--port", str(API_PORT)),
                *("--pki", str(self.pki)),
                *("--machines", str(self._machines)),
                *("--seen-as", str(VOLUMES)),
            ],
        )
