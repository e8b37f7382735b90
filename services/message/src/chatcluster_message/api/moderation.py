"""Routes about reported messages: members report, moderators of the platform decide."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, status

from chatcluster_common.auth import Auditor, CurrentUser, Moderator
from chatcluster_common.errors import problems
from chatcluster_message import models
from chatcluster_message.api.common import ALWAYS, NO_MESSAGE, ChatDep, Limit, MessageId

router = APIRouter(prefix="/api/v1", tags=["moderation"], responses=ALWAYS)
Cursor = Annotated[models.Id | None, Query(description="`next_cursor` of the page before.")]


@router.post(
    "/messages/{message_id}/reports",
    operation_id="reportMessage",
    status_code=status.HTTP_201_CREATED,
    responses=NO_MESSAGE | problems(_409="The caller's own, or deleted."),
)
async def report(
    message_id: MessageId, body: models.CreateReport, caller: CurrentUser, chat: ChatDep
) -> models.ReportReceipt:
    """Report a message to the moderators. A second report of it by the same person is the first."""
    return await chat.moderation.report(caller.user_id, message_id, body)


@router.get("/moderation/reports", operation_id="listReports")
async def reports(
    _moderator: Moderator,
    chat: ChatDep,
    state: Annotated[models.ReportState, Query()] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> models.ReportPage:
    """Reports, the oldest first; for moderators."""
    return await chat.moderation.page(state, cursor, limit)


@router.patch(
    "/moderation/reports/{report_id}",
    operation_id="resolveReport",
    responses=problems(_404="There is no such report.", _409="It was decided otherwise already."),
)
async def resolve(
    report_id: Annotated[models.Id, Path()], body: models.ResolveReport, moderator: Moderator, chat: ChatDep
) -> models.Report:
    """Decide on a report, and delete the message if need be; for moderators."""
    return await chat.moderation.resolve(moderator.user_id, report_id, body)


@router.get("/moderation/audit", operation_id="listModerationAudit")
async def audit(_auditor: Auditor, chat: ChatDep, cursor: Cursor = None, limit: Limit = 50) -> models.AuditPage:
    """What moderators did, the newest first; for administrators."""
    return await chat.moderation.audit(cursor, limit)
