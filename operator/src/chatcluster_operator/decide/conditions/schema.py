"""Whether the schemas of the databases are those of the release."""

from chatcluster_operator.decide.facts import Facts
from chatcluster_operator.decide.verdict import Verdict, join
from chatcluster_operator.desired import migrations
from chatcluster_operator.desired.common import object_name


def schema(facts: Facts) -> Verdict:
    """SchemaMigrated."""
    begins = tuple(object_name(facts.cluster, service, "db") for service in migrations.services(facts.cluster))
    jobs = {
        key.name: child.job
        for key, child in sorted(facts.snapshot.children.items())
        if child.job is not None and key.name.startswith(begins)
    }
    if facts.cluster.spec.hibernated:
        return Verdict("SchemaMigrated", False, "Hibernated", "Asleep; looked at again when it wakes.")
    if not jobs:
        return Verdict("SchemaMigrated", False, "Waiting", "No migration has begun yet.")
    failed = [f"Job {name} failed ({job.failed})" for name, job in jobs.items() if job.failed]
    if failed:
        told = [pod.message for pod in facts.snapshot.pods.values() if pod.reason == "MigrationFailed"]
        return Verdict("SchemaMigrated", False, "MigrationFailed", join([*dict.fromkeys(told), *failed]))
    missing = [name for name, job in jobs.items() if not job.done]
    if missing:
        return Verdict("SchemaMigrated", False, "Migrating", f"Waiting for {', '.join(missing)}.")
    return Verdict("SchemaMigrated", True, "UpToDate", "Every schema is as the release asks.")
