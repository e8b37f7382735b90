"""Rules that every manifest keeps, one test a rule, over ChatClusters that between them use every field."""

import base64
import dataclasses
import json
import re

import pytest

from chatcluster_operator.api import SERVICES
from chatcluster_operator.desired import components, manifests
from chatcluster_operator.desired.credentials import FIELDS
from chatcluster_operator.desired.pods import CHECKSUM
from chatcluster_testing.specs import SPECS

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def of_kind(made, *kinds):
    return [item for item in made if item["kind"] in kinds]


@pytest.fixture
def workloads(made):
    return of_kind(made, "Deployment", "StatefulSet")


@pytest.fixture
def serving(workloads):
    """The pods that stay: those of every component."""
    return [workload["spec"]["template"] for workload in workloads]


@pytest.fixture
def pods(made, serving):
    """All pods, those that end included."""
    return [*serving, *(job["spec"]["template"] for job in of_kind(made, "Job"))]


@pytest.fixture
def containers(pods):
    return [
        container for pod in pods for key in ("initContainers", "containers") for container in pod["spec"].get(key, [])
    ]


def matches(selector, labels):
    return selector.items() <= labels.items()


def test_there_is_something_to_check(cluster, workloads):
    assert {item["metadata"]["name"] for item in workloads} == {item.workload for item in components(cluster)}


def test_no_object_twice(made):
    names = [(item["kind"], item["metadata"]["name"]) for item in made]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_names_are_dns_labels(chatcluster, inputs, spec):
    cluster = chatcluster(spec, name="a" * 40)
    for item in manifests(cluster, inputs(cluster)):
        assert LABEL.fullmatch(item["metadata"]["name"]), item["metadata"]["name"]
        assert len(item["metadata"]["name"]) <= 63


def test_everything_is_in_the_namespace_and_labelled(cluster, made):
    for item in made:
        assert item["metadata"]["namespace"] == cluster.namespace
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "chatcluster"
        assert labels["app.kubernetes.io/instance"] == cluster.name
        assert labels["app.kubernetes.io/managed-by"] == "chatcluster-operator"


def test_label_values_are_valid(made):
    for item in made:
        for value in item["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)


def test_the_cluster_owns_everything_but_what_opens_retained_volumes(cluster, made):
    unowned = {item["metadata"]["name"] for item in made if "ownerReferences" not in item["metadata"]}
    assert unowned == (set() if cluster.spec.deletion_policy == "Delete" else {"demo-credentials"})
    for item in made:
        for owner in item["metadata"].get("ownerReferences", []):
            assert (owner["uid"], owner["controller"]) == (cluster.uid, True)


def test_volumes_follow_the_deletion_policy(cluster, made):
    for item in of_kind(made, "StatefulSet"):
        policy = item["spec"]["persistentVolumeClaimRetentionPolicy"]
        assert policy == {"whenDeleted": cluster.spec.deletion_policy.value, "whenScaled": "Retain"}


def test_pods_run_under_the_restricted_profile(pods, containers):
    for pod in pods:
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
    for container in containers:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in security


def test_root_is_read_only_and_tmp_is_not(containers):
    for container in containers:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_containers_have_probes(serving):
    for pod in serving:
        for container in pod["spec"]["containers"]:
            ports = {port["name"] for port in container["ports"]}
            if not ports:
                # It takes no connections, so that its process is there is all that could be asked.
                assert "readinessProbe" not in container
                continue
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                action = container[probe].get("httpGet") or container[probe].get("tcpSocket")
                assert (action and action["port"] in ports) or container[probe]["exec"]["command"]
                assert container[probe]["timeoutSeconds"] > 1


def test_containers_have_requests_and_a_memory_limit(containers):
    for container in containers:
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_images_are_fixed(cluster, containers):
    for container in containers:
        assert re.search(r"[:@][^:@/]+$", container["image"])
        assert not container["image"].endswith(":latest")
        assert container["imagePullPolicy"] == cluster.spec.images.pull_policy


def test_only_patroni_gets_a_token(pods):
    with_token = [
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in pods
        if pod["spec"]["automountServiceAccountToken"] or "serviceAccountName" in pod["spec"]
    ]
    assert with_token in (["postgres"], [])


def test_rights_are_named_one_by_one(made):
    for role in of_kind(made, "Role"):
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"]
            assert set(rule["verbs"]) <= {"list", "watch"} or rule["resourceNames"]


def test_other_services_never_become_settings(pods):
    for pod in pods:
        assert pod["spec"]["enableServiceLinks"] is False


def test_ports_are_named_and_services_find_them(made, pods):
    for item in of_kind(made, "Service"):
        selected = [pod for pod in pods if matches(_stable(item["spec"]["selector"]), pod["metadata"]["labels"])]
        assert len(selected) == 1, item["metadata"]["name"]
        containers = selected[0]["spec"]["containers"]
        ports = {port["name"] for container in containers for port in container.get("ports", [])}
        for port in item["spec"]["ports"]:
            assert port["name"]
            assert port["targetPort"] in ports


def test_nobody_waits_for_the_readiness_of_redis(made):
    """A command is asked every ten seconds: who waits for a member that loads its data would hear of it so late."""
    services = of_kind(made, "Service")
    found = [item for item in services if item["spec"]["selector"].get("app.kubernetes.io/component") == "redis"]
    assert all(item["spec"].get("publishNotReadyAddresses") for item in found)


def _stable(selector):
    """Without the labels that pods are given while they run: Patroni's for the leader, Kubernetes' for each member."""
    given = {"chatcluster.dev/role", "statefulset.kubernetes.io/pod-name"}
    return {key: value for key, value in selector.items() if key not in given}


def test_selectors_fit_their_own_pods(workloads):
    for workload in workloads:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert matches(workload["spec"]["selector"]["matchLabels"], labels)
        for spread in workload["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert matches(spread["labelSelector"]["matchLabels"], labels)
            # A cluster that has lost a node, or a zone, must still hold every pod.
            assert spread["whenUnsatisfiable"] == "ScheduleAnyway"


def test_each_workload_has_a_disruption_budget_that_lets_nodes_drain(made, workloads):
    budgets = [item["spec"] for item in of_kind(made, "PodDisruptionBudget")]
    for workload in workloads:
        labels = workload["spec"]["template"]["metadata"]["labels"]
        (budget,) = [budget for budget in budgets if matches(budget["selector"]["matchLabels"], labels)]
        assert budget["maxUnavailable"] == 1
    assert len(budgets) == len(workloads)


def test_autoscaled_deployments_leave_their_replicas_alone(cluster, made):
    scalers = of_kind(made, "HorizontalPodAutoscaler", "ScaledObject")
    scaled = {item["spec"]["scaleTargetRef"]["name"] for item in scalers}
    assert len(scaled) == len(scalers), "two would fight over one"
    asleep = cluster.spec.hibernated
    assert scaled == (set() if asleep else {item.workload for item in components(cluster) if item.name in SERVICES})
    for item in of_kind(made, "Deployment"):
        assert ("replicas" in item["spec"]) == (item["metadata"]["name"] not in scaled)


def test_rollouts_never_take_a_pod_before_its_successor_is_known(made):
    for item in of_kind(made, "Deployment"):
        assert item["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert item["spec"]["minReadySeconds"] > 0


def test_grace_is_longer_than_draining(serving):
    for pod in serving:
        settings = {item["name"]: item.get("value") for item in pod["spec"]["containers"][0].get("env", [])}
        assert pod["spec"]["terminationGracePeriodSeconds"] > int(settings.get("CHAT_DRAIN_SECONDS", 20))


def test_every_pod_is_under_a_policy_and_denied_by_default(cluster, made, pods):
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind(made, "NetworkPolicy")}
    deny = policies.pop("demo-default-deny")
    assert (deny["ingress"], deny["egress"]) == ([], [])
    assert all(spec["policyTypes"] == ["Ingress", "Egress"] for spec in [deny, *policies.values()])
    for pod in pods:
        labels = pod["metadata"]["labels"]
        assert matches(deny["podSelector"]["matchLabels"], labels)
        assert len([spec for spec in policies.values() if matches(spec["podSelector"]["matchLabels"], labels)]) == 1
    assert len(policies) == len(
        {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods} | {"migration"}
    )


def test_what_one_policy_lets_out_another_lets_in(made, serving):
    """Each way from pod to pod is open at both ends."""
    policies = [item["spec"] for item in of_kind(made, "NetworkPolicy")]
    labels = [pod["metadata"]["labels"] for pod in serving]
    for policy in policies:
        source = policy["podSelector"]["matchLabels"]
        for rule in policy["egress"]:
            for peer in rule.get("to", []):
                if "namespaceSelector" in peer:
                    continue
                (target,) = [item for item in labels if matches(peer["podSelector"]["matchLabels"], item)]
                for port in rule["ports"]:
                    assert any(
                        {"podSelector": {"matchLabels": source}} in opened["from"] and port in opened["ports"]
                        for other in policies
                        if matches(other["podSelector"]["matchLabels"], target)
                        for opened in other["ingress"]
                        if "from" in opened
                    ), (source, target, port)


def test_secret_values_are_in_secrets_alone(cluster, inputs):
    given = inputs(cluster)
    values = [getattr(given.credentials, name) for name in FIELDS]
    for item in manifests(cluster, given):
        if item["kind"] != "Secret":
            text = json.dumps(item)
            assert not [name for name, value in zip(FIELDS, values, strict=True) if value in text], item["metadata"]


def test_each_component_gets_its_own_secrets_alone(cluster, inputs):
    given = inputs(cluster)
    allowed = {
        "gateway": {"internal_token", "postgres_gateway_password", "redis_gateway_password"},
        "user": {"internal_token", "postgres_user_password", "redis_user_password", "token_key", "encryption_key"},
        "message": {"internal_token", "mongodb_password", "redis_message_password", "kafka_message_password"},
        "file": {"internal_token", "objects_access_key", "objects_secret_key", "redis_file_password"},
        "notification": {
            "internal_token",
            "postgres_notification_password",
            "redis_notification_password",
            "kafka_notification_password",
            "vapid_key",
            "links_key",
        },
        "presence": {"internal_token", "redis_presence_password"},
    }
    secrets = {
        item["metadata"]["name"].removeprefix("demo-"): "".join(
            base64.b64decode(value).decode() for value in item["data"].values()
        )
        for item in manifests(cluster, given)
        if item["kind"] == "Secret"
    }
    for name in secrets.keys() & allowed.keys():
        values = allowed[name]
        held = {field for field in FIELDS if getattr(given.credentials, field) in secrets[name]}
        assert held <= values, name
        assert "internal_token" in held


def test_secrets_a_pod_uses_exist_or_are_the_users(cluster, made, pods):
    existing = {item["metadata"]["name"] for item in of_kind(made, "Secret")}
    brought = {"my-postgres", "my-mongodb", "my-redis", "my-kafka", "my-objects", "smtp", "my-certificate"}
    # cert-manager makes what a Certificate names.
    brought |= {item["spec"]["secretName"] for item in of_kind(made, "Certificate")}
    keys = {item["metadata"]["name"]: set(item["data"]) for item in of_kind(made, "Secret")}
    for pod in pods:
        for volume in pod["spec"]["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                if "secret" not in source:
                    continue
                name = source["secret"]["name"]
                assert name in existing | brought
                if name in keys:
                    assert {item["key"] for item in source["secret"]["items"]} <= keys[name]


@pytest.mark.parametrize(
    ("change", "rolled"),
    [
        ({"redis": {"resources": {"limits": {"memory": "2Gi"}}}}, {"redis"}),
        ({"services": {"user": {"autoscaling": {"maxReplicas": 9}}}}, set()),
        ({"services": {"message": {"autoscaling": {"maxReplicas": 9}}}}, {"edge"}),
    ],
)
def test_changed_configuration_changes_the_checksum(chatcluster, inputs, change, rolled):
    before, after = (
        checksums(cluster, inputs(cluster))
        for cluster in (chatcluster({"version": "1"}), chatcluster({"version": "1", **change}))
    )
    assert {name for name in before if before[name] != after[name]} == rolled


def checksums(cluster, given):
    """The checksum of each component's pods."""
    return {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: annotation
        for item in manifests(cluster, given)
        if item["kind"] in {"Deployment", "StatefulSet"}
        for annotation in [item["spec"]["template"]["metadata"]["annotations"][CHECKSUM]]
    }


def test_new_secret_values_roll_only_those_who_use_them(chatcluster, inputs):
    cluster = chatcluster({"version": "1"})
    given = inputs(cluster)
    credentials = dataclasses.replace(given.credentials, redis_presence_password="x" * 20)
    before, after = checksums(cluster, given), checksums(cluster, dataclasses.replace(given, credentials=credentials))
    assert {name for name in before if before[name] != after[name]} == {"presence"}


def test_a_secret_of_the_user_rolls_pods_when_its_digest_changes(chatcluster, inputs):
    cluster = chatcluster({"version": "1", "redis": {"external": {"secretName": "my-redis"}}})
    given = inputs(cluster)
    other = dataclasses.replace(given, digests={"my-redis": "another"})
    for left, right in zip(manifests(cluster, given), manifests(cluster, other), strict=True):
        uses = left["kind"] == "Deployment" and left["metadata"]["name"].split("-")[1] in {
            "gateway",
            "user",
            "message",
            "file",
            "notification",
            "presence",
        }
        assert (left != right) == uses


def test_settings_of_the_spec_win(chatcluster, inputs):
    spec = {"version": "1", "services": {"user": {"env": [{"name": "CHAT_LOG_LEVEL", "value": "DEBUG"}]}}}
    cluster = chatcluster(spec)
    (user,) = [
        item
        for item in manifests(cluster, inputs(cluster))
        if item["kind"] == "Deployment" and item["metadata"]["name"] == "demo-user"
    ]
    settings = user["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [item["value"] for item in settings if item["name"] == "CHAT_LOG_LEVEL"] == ["DEBUG"]
