import pytest

from chatcluster_local.programs import (
    MEMORY_PER_BUILD,
    MODULES,
    SOURCES,
    build_flags,
    builds_at_once,
    key,
    module_version,
    tools,
)
from chatcluster_local.toolchain import fits, parse_version

GO_MOD = {module: (SOURCES / module / "go.mod").read_text() for module in MODULES}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27)),
        ("go version go1.26rc1 linux/amd64", (1, 26)),
        ("no such thing", None),
    ],
)
def test_the_version_is_read_from_what_go_says(text: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("release", "fit"), [("1.25.9", False), ("1.26.0", True), ("1.26.8", True), ("1.27.1", True), ("2.0", True)]
)
def test_go_1_26_is_the_oldest_that_fits(release: str, fit: bool) -> None:
    assert fits(f"go version go{release} linux/amd64") is fit


def test_every_program_that_the_cluster_runs_is_named_in_a_go_mod() -> None:
    named = {name for module in MODULES for name in tools(GO_MOD[module])}
    assert named >= {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"),
        *("kwok", "kwokctl", "metrics-server", "bridge", "host-local", "loopback", "portmap"),
        *("containerd", "containerd-shim-runc-v2", "ctr", "coredns"),
    }


def test_a_single_tool_line_is_read_too() -> None:
    assert tools("module m\n\ntool example.com/cmd/thing/v2\n") == ["thing"]


def test_the_kubelet_is_told_its_version() -> None:
    version = module_version(GO_MOD["kubernetes"], "k8s.io/kubernetes")
    flags = " ".join(build_flags("kubernetes", GO_MOD["kubernetes"]))
    assert f"component-base/version.gitVersion={version}" in flags


def test_the_key_changes_with_everything_that_the_build_depends_on() -> None:
    keys = {
        key("mod", "sum", ["-trimpath"], "go1.26.8"),
        key("mod2", "sum", ["-trimpath"], "go1.26.8"),
        key("mod", "sum2", ["-trimpath"], "go1.26.8"),
        key("mod", "sum", [], "go1.26.8"),
        key("mod", "sum", ["-trimpath"], "go1.26.9"),
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("processors", "builds_worth_of_memory", "at_once"), [(2, 8, 2), (8, 8, 3), (8, 2, 2), (8, 0, 1), (1, 8, 1)]
)
def test_builds_side_by_side_are_bounded_by_processors_and_memory(
    processors: int, builds_worth_of_memory: int, at_once: int
) -> None:
    assert builds_at_once(3, processors, builds_worth_of_memory * MEMORY_PER_BUILD) == at_once
