"""Where a request comes from."""

import pytest
from starlette.requests import Request

from chatcluster_user.client import client_of


def request(*forwarded: str, agent: str = "Test/1") -> Request:
    """A request from the gateway."""
    headers = [(b"x-forwarded-for", hop.encode()) for hop in forwarded] + [(b"user-agent", agent.encode())]
    return Request({"type": "http", "headers": headers, "client": ("10.0.0.9", 1)})


@pytest.mark.parametrize(
    ("forwarded", "address", "network"),
    [
        (["198.51.100.7"], "198.51.100.7", "198.51.100.7"),
        (["203.0.113.1, 198.51.100.7"], "198.51.100.7", "198.51.100.7"),
        (["203.0.113.1", "198.51.100.7"], "198.51.100.7", "198.51.100.7"),
        (["2001:db8::1:2:3:4"], "2001:db8::1:2:3:4", "2001:db8::"),
        (["::ffff:198.51.100.7"], "198.51.100.7", "198.51.100.7"),
        (["fe80::1%eth0"], "fe80::1", "fe80::"),
        ([], "10.0.0.9", "10.0.0.9"),
        (["nonsense"], "", ""),
    ],
)
def test_address_and_network(forwarded: list[str], address: str, network: str) -> None:
    client = client_of(request(*forwarded))
    assert (client.address, client.network) == (address, network)


def test_a_user_agent_is_cut_and_may_hold_no_nul() -> None:
    assert client_of(request(agent="a\0b" + "x" * 500)).user_agent == "ab" + "x" * 198
