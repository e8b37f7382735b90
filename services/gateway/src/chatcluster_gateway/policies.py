"""Who is limited by what: the table of rate limits.

A call with an API token counts for the token and for its owner, so that many tokens are no way round; a signed-in
person's for the person; any other for its address. Some routes cost more than others and have a limit besides.
"""

from chatcluster_common.auth import Principal
from chatcluster_gateway.gcra import Policy
from chatcluster_gateway.routes import LimitClass
from chatcluster_gateway.settings import GatewaySettings

Limit = tuple[Policy, str]
"""A policy, and the key that is counted under it."""


class Policies:
    """The rate limits, from the settings."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._user = Policy("user", settings.user_rate_per_second, settings.user_burst)
        self._token = Policy("token", settings.token_rate_per_second, settings.token_burst)
        self._address = Policy("address", settings.address_rate_per_second, settings.address_burst)
        self._classes: dict[LimitClass, Policy] = {
            "sign-in": Policy("sign-in", settings.sign_in_rate_per_minute / 60, settings.sign_in_burst),
            "search": Policy("search", settings.search_rate_per_second, settings.search_burst),
        }

    def of_caller(self, principal: Principal, limit: LimitClass | None) -> list[Limit]:
        """What a call of a known caller counts under."""
        limits: list[Limit] = [(self._user, f"user:{principal.user_id}")]
        if principal.scopes is not None:
            limits.append((self._token, f"token:{principal.session_id}"))
        if limit:
            limits.append((self._classes[limit], f"{limit}:{principal.user_id}"))
        return limits

    def of_address(self, address: str, limit: LimitClass | None) -> list[Limit]:
        """What a call of nobody we know counts under; `address` as `limited_address` has it."""
        if limit:
            return [(self._classes[limit], f"{limit}:{address}")]
        return [(self._address, f"address:{address}")]
