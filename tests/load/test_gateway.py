"""The script that makes the gateway's figures runs, and what it counts adds up; how fast is not asked here."""

import re
import sys
import urllib.request
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

import gateway

from chatcluster_testing.process import wait_until


def counted(bench: gateway.Bench, name: str) -> float:
    """The sum of a counter over its labels."""
    with urllib.request.urlopen(f"{bench.gateway.url}/metrics", timeout=10) as response:  # noqa: S310 loopback
        text = response.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


@pytest.mark.timeout(120)
def test_every_request_is_answered_counted_and_logged_once() -> None:
    with gateway.running_bench(users=8, pin=False) as bench:
        latencies = uvloop.run(gateway.load(bench.gateway.url, bench.tokens, connections=8, seconds=2, per_second=100))
        assert len(latencies) >= 200 - 8, "all but those under way at the end"
        # Those under way at the end are counted and logged a moment later.
        logged = '"route":"/api/v1/conversations"'
        wait_until(lambda: bench.gateway.log.count(logged) >= len(latencies), "every request in the log")
        wait_until(
            lambda: bench.gateway.log.count(logged) == counted(bench, "chat_gateway_rate_limited_total"),
            "as many requests in the log as were counted",
        )
        assert bench.gateway.log.count(logged) <= 200
        assert counted(bench, "chat_gateway_upstream_failures_total") == 0
