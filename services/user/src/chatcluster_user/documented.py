"""The error answers of routes, for the OpenAPI document."""

from chatcluster_common.errors import problems

EVERYBODY = problems(_422="A field or parameter is refused.", _503="A part of the service is not available.")
"""The answers of routes that anybody may call."""

SIGNED_IN = EVERYBODY | problems(
    _401="The access token is missing, malformed, expired or revoked.",
    _403="The caller's role, or the scopes of their token, do not reach this.",
)
"""The answers of routes that need an access token."""
