"""What the routes share: their dependencies, and the errors that their documentation names."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from chatcluster_common.errors import problems
from chatcluster_message import models
from chatcluster_message.service import Chat


def _chat(request: Request) -> Chat:
    return request.app.state.chat


ChatDep = Annotated[Chat, Depends(_chat)]
ConversationId = Annotated[models.Id, Path()]
MessageId = Annotated[models.Id, Path()]
UserId = Annotated[models.Id, Path()]
Limit = Annotated[int, Query(ge=1, le=100)]

ALWAYS = problems(
    _401="The access token is missing, malformed, expired or revoked.",
    _403="The role, or the scopes of an API token, do not reach this.",
    _422="A field is refused; `errors` names it.",
    _503="A store or another service does not answer. Try again as `Retry-After` says.",
)
"""Of every route."""
NOT_YOURS = problems(_404="There is no such conversation, or the caller is not in it.")
NO_MESSAGE = problems(_404="There is no such message, or the caller is not in its conversation.")
