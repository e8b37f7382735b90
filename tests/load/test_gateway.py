"""The script that makes the gateway's figures runs, and what it counts adds up; how fast is not asked here."""

import re
import sys
import urllib.request
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))

import gateway


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
        requests = counted(bench, "chat_gateway_rate_limited_total")
        assert len(latencies) <= requests <= 200
        assert bench.gateway.log.count('"route":"/api/v1/conversations"') == requests
        assert counted(bench, "chat_gateway_upstream_failures_total") == 0
