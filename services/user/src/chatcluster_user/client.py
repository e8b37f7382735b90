"""Where a request comes from, as far as it can be known: for the session list, the audit log and throttling."""

import ipaddress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

_USER_AGENT_MAX = 200


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a request."""

    address: str
    """As the gateway says; empty when it is no address."""
    user_agent: str
    """As the device names itself, cut to 200 characters; may be empty."""

    @property
    def network(self) -> str:
        """What one customer of a provider has: the address, or with IPv6 its /64 network."""
        if ":" not in self.address:
            return self.address
        return str(ipaddress.ip_network((self.address, 64), strict=False).network_address)


def client_of(request: Request) -> Client:
    """The last hop of `X-Forwarded-For`: the gateway, which alone can reach this service from outside, writes it."""
    hops = ",".join(request.headers.getlist("x-forwarded-for"))
    said = hops.rpartition(",")[2].strip() or (request.client.host if request.client else "")
    try:
        parsed = ipaddress.ip_address(said.partition("%")[0])
    except ValueError:
        address = ""
    else:
        address = str((parsed.version == 6 and parsed.ipv4_mapped) or parsed)
    return Client(address, request.headers.get("user-agent", "").replace("\0", "")[:_USER_AGENT_MAX])


Caller = Annotated[Client, Depends(client_of)]
