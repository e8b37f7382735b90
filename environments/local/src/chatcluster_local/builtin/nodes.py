"""What runs on a node: containerd, the kubelet and kube-proxy, and how they are configured.

In the machine `/var/lib` and `/var/log` are the node's own disk and `/run` its own memory, so all three programs use
their usual paths. What they need from this project is under `/var/lib/chatcluster`.
"""

import json
import os
import shlex
import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import BinaryIO

import yaml

from ..errors import ExitCode, LocalError
from ..programs import Programs
from .addresses import API_PORT, AddressPlan
from .cgroups import Group, is_v1
from .images import PAUSE_REFERENCE, archive_names, copy_archive, full_name
from .machines import SYSTEM_PATH, Cables, Machine, Program

HOME = Path("/var/lib/chatcluster")
VOLUMES = HOME / "volumes"
"""Where the node sees the folders of its volumes."""

# The kubelet insists on these values and would set them for the whole host. It looks at these files in its place.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

IMPORT_TIMEOUT = 600.0


def node_name(number: int) -> str:
    return f"node-{number}"


def _setup(disk: Path, programs: Programs, name_server: IPv4Address) -> str:
    """The mounts of a node, as shell; what lies behind `/var/lib` and `/run` is bound before they are covered."""
    disk_, home = shlex.quote(str(disk)), shlex.quote(str(disk / "lib/chatcluster"))
    lines = [f"mkdir -p {disk_}/log {home}/volumes {home}/kernel", f"chmod 711 {home}/volumes"]
    for module, folder in programs.folders.items():
        lines += [f"mkdir -p {home}/programs/{module}"]
        lines += [f"mount --bind {shlex.quote(str(folder))} {home}/programs/{module}"]
    for name, value in KERNEL_SETTINGS.items():
        file = f"{home}/kernel/{name.replace('/', '-')}"
        lines += [f"if test -e /proc/sys/{name}; then echo {value} > {file}; mount --bind {file} /proc/sys/{name}; fi"]
    lines += [
        f"mount --rbind {disk_}/lib /var/lib",
        f"mount --bind {disk_}/log /var/log",
        "mount -t tmpfs -o mode=755 tmpfs /run",
        "mkdir -p /run/lock",
        # Names of the cluster alone are known, any other is answered at once: there is no way out of this machine.
        f"echo nameserver {name_server} > {HOME}/resolv.conf",
        f"if test -f /etc/resolv.conf; then mount --bind {HOME}/resolv.conf /etc/resolv.conf; fi",
        "mount --make-rshared /",
    ]
    return "\n".join(lines)


class Node:
    """Node `number`, from 1."""

    def __init__(self, number: int, *, plan: AddressPlan, programs: Programs, folder: Path, logs: Path, group: Group):
        self.number = number
        self.name = node_name(number)
        self.address = plan.node(number)
        self.disk = folder
        self._plan = plan
        self._group = group
        bins = [HOME / "programs" / module for module in programs.folders]
        self._bins = {name: HOME / "programs" / module / name for module, name in programs.names()}
        self.machine = Machine(
            self.name,
            folder=folder,
            logs=logs,
            group=group,
            path=":".join([*map(str, bins), SYSTEM_PATH]),
            setup=_setup(folder, programs, plan.control_plane),
        )

    @property
    def link(self) -> str:
        return self._plan.link(self.name)

    @property
    def _home(self) -> Path:
        """`HOME` as the host sees it."""
        return self.disk / "lib/chatcluster"

    def start(self, cables: Cables, nodes: int) -> bool:
        """Start the machine, plug it in and start containerd. The kubelet needs the control plane: see `join`."""
        started = self.machine.start()
        if started or self.link not in Cables.links():
            cables.plug(self.machine, self.link, str(self.address))
            others = [number for number in range(1, nodes + 1) if number != self.number]
            routes = "".join(
                f"route replace {self._plan.pods_of(number)} via {self._plan.node(number)}\n" for number in others
            )
            self.machine.inside(["ip", "-batch", "-"], input=routes)
        elif not Cables.is_up(self.link):
            Cables.set_up(self.link, True)
        return self.machine.ensure(self._containerd()) or started

    def join(self, kubeconfig: str, pki: Mapping[str, str]) -> bool:
        """Start the kubelet, kube-proxy and what makes sized volumes; `kubeconfig` and `pki` are the texts of these
        files, of `pki` by their names."""
        programs = self._sized(pki), self._kubelet(kubeconfig, pki["ca.crt"]), self._proxy(kubeconfig)
        started = [self.machine.ensure(program) for program in programs]
        return any(started)

    def images(self) -> set[str]:
        """The names of the images that the node holds."""
        return set(self._ctr("images", "list", "--quiet").split())

    def load(self, archive: Path) -> None:
        """Take in all images of an OCI or docker archive, sending only the layers that the node lacks.

        A layer is unpacked when the first pod needs it.
        """
        held = set(self._ctr("content", "list", "--quiet").split())
        outlet, inlet = os.pipe()
        with ThreadPoolExecutor(1) as pool:
            # Closed before the pool is waited for: when the import fails, so does the writing.
            with os.fdopen(outlet, "rb") as source:
                writing = pool.submit(copy_archive, archive, os.fdopen(inlet, "wb"), held)
                self._ctr("images", "import", "--no-unpack", "-", stdin=source, timeout=IMPORT_TIMEOUT)
            writing.result()
        for name in archive_names(archive):
            # containerd keeps a short name as it stands, and Kubernetes would not find it.
            if full_name(name) != name and full_name(name) not in self.images():
                self._ctr("images", "tag", name, full_name(name))

    def forget(self, names: Collection[str]) -> None:
        """Remove images; what a running container still needs of them stays."""
        if names:
            self._ctr("images", "remove", *sorted(names))

    def _ctr(self, *arguments: str, timeout: float = 60, stdin: BinaryIO | None = None) -> str:
        command = [str(self._bins["ctr"]), "--namespace", "k8s.io", *arguments]
        return self.machine.inside(command, timeout=timeout, stdin=stdin)

    # Configuration

    def _containerd(self) -> Program:
        bridge = {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        # In memory: leases end with the node, as its pods do.
                        "dataDir": "/run/cni-leases",
                        "ranges": [[{"subnet": str(self._plan.pods_of(self.number))}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}, "backend": "nftables"},
            ],
        }
        bins = json.dumps(str(self._bins["bridge"].parent))
        config = f"""version = 3
oom_score = 0

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_REFERENCE}"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [{bins}]
conf_dir = "{HOME}/cni"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
"""
        return Program(
            "containerd",
            [str(self._bins["containerd"]), "--config", f"{HOME}/containerd.toml"],
            {self._home / "containerd.toml": config, self._home / "cni/10-pods.conflist": json.dumps(bridge)},
        )

    def _kubelet(self, kubeconfig: str, client_ca: str) -> Program:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{HOME}/client-ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._group.path}",
            "clusterDNS": [str(self._plan.dns_service)],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            # Absolute: a share of a nearly full disk would evict pods on most laptops.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
            # Images are loaded, never pulled: collecting one would lose it.
            "imageGCHighThresholdPercent": 100,
            "failCgroupV1": not is_v1(),
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "nodeLeaseDurationSeconds": 20,
            "nodeStatusUpdateFrequency": "5s",
            "resolvConf": f"{HOME}/resolv.conf",
            "rotateCertificates": False,
            "syncFrequency": "30s",
        }
        labels = f"topology.kubernetes.io/zone=zone-{self.number}"
        return Program(
            "kubelet",
            [
                str(self._bins["kubelet"]),
                f"--config={HOME}/kubelet.yaml",
                f"--kubeconfig={HOME}/kubeconfig",
                f"--hostname-override={self.name}",
                f"--node-ip={self.address}",
                f"--node-labels={labels}",
            ],
            {
                self._home / "kubelet.yaml": yaml.safe_dump(config),
                self._home / "kubeconfig": kubeconfig,
                self._home / "client-ca.crt": client_ca,
            },
        )

    def _sized(self, pki: Mapping[str, str]) -> Program:
        return Program(
            "sized",
            [
                *(sys.executable, "-m", "chatcluster_local.builtin.sized"),
                *("--host", str(self._plan.control_plane)),
                *("--port", str(API_PORT)),
                *("--pki", str(HOME / "pki")),
                *("--node", self.name),
                *("--folder", str(VOLUMES)),
            ],
            {self._home / "pki" / name: text for name, text in pki.items()},
        )

    def _proxy(self, kubeconfig: str) -> Program:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": f"{HOME}/proxy.kubeconfig"},
            "clusterCIDR": str(self._plan.pods),
            # Zero leaves these alone: they belong to the whole host.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
            "nftables": {"minSyncPeriod": "200ms", "syncPeriod": "30s"},
            "nodeIPOverride": [str(self.address)],
            "hostnameOverride": self.name,
        }
        return Program(
            "kube-proxy",
            [str(self._bins["kube-proxy"]), f"--config={HOME}/proxy.yaml"],
            {self._home / "proxy.yaml": yaml.safe_dump(config), self._home / "proxy.kubeconfig": kubeconfig},
        )


def check_number(number: int, nodes: int) -> int:
    """Return `number` if there is such a node; else raise LocalError."""
    if not 1 <= number <= nodes:
        raise LocalError(f"there is no node {number}", f"Give a number from 1 to {nodes}", ExitCode.ABSENT)
    return number
