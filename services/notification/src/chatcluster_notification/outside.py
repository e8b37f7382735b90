"""Where the service may be sent by what a client says: public addresses alone, never into the network it runs in.

A push endpoint is a URL of the client's choice. Its name is looked up here and the connection goes to the address that
was looked at, so that a name which answers differently the next time leads nowhere.
"""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_HTTPS_PORT = 443


class EndpointError(ValueError):
    """The URL may not be called; the message says why."""


def is_public(address: str) -> bool:
    """Whether an IP address is anybody's on the Internet, and so is the IPv4 address that it may carry."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            carried = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
    return ip.is_global and not ip.is_multicast


def check_endpoint(url: str) -> None:
    """Raises `EndpointError` unless the URL is HTTPS, on its port, to a name or a public address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise EndpointError("is no URL") from error
    if not url.isascii() or not url.isprintable() or " " in url:
        raise EndpointError("has characters that a URL cannot have")
    if parts.scheme != "https" or not host or port not in {None, _HTTPS_PORT}:
        raise EndpointError("is not an https URL on port 443")
    if parts.username is not None or parts.password is not None:
        raise EndpointError("has a user or password in it")
    if "." not in host.strip(".") and ":" not in host:
        raise EndpointError("is not on a public host")
    try:
        public = is_public(host)
    except ValueError:
        return  # a name, looked up when it is called
    if not public:
        raise EndpointError("is not on a public address")


class PublicResolver(AbstractResolver):
    """Finds the public addresses of names and no others."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver(asyncio.get_running_loop())

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As aiohttp asks. Raises `OSError` for a name that has no public address."""
        found = [result for result in await self._resolver.resolve(host, port, family) if is_public(result["host"])]
        if not found:
            raise OSError(None, "the name has no public address")
        return found

    async def close(self) -> None:
        """Nothing is held."""
