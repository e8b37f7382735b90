"""Reports: members point at a message, moderators of the platform decide, and what they did is written down."""

from chatcluster_common import errors
from chatcluster_common.auth import Principal
from chatcluster_common.clock import utc_now
from chatcluster_common.ids import new_id
from chatcluster_common.permissions import Permission, Scope
from chatcluster_message.models import (
    AuditEntry,
    AuditPage,
    CreateReport,
    Message,
    Report,
    ReportPage,
    ReportReceipt,
    ReportState,
    ResolveReport,
)
from chatcluster_message.service.access import Access
from chatcluster_message.service.changes import ChangeService
from chatcluster_message.store import Store


class ModerationService:
    """Reports and the audit log. Moderators see what was reported, and nothing else of a conversation."""

    def __init__(self, store: Store, access: Access, changes: ChangeService) -> None:
        self._store = store
        self._access = access
        self._changes = changes

    async def report(self, caller: str, message_id: str, request: CreateReport) -> ReportReceipt:
        """Report a message; a second report by the same person is the first."""
        message, _ = await self._access.message(caller, message_id)
        if message.sender_id == caller:
            raise errors.conflict("own_message", "This is your own message: delete it.")
        if message.deleted_at:
            raise errors.conflict("message_deleted", "The message was deleted.")
        stored = await self._store.reports.insert(
            Report(
                id=new_id(),
                message_id=message.id,
                conversation_id=message.conversation_id,
                sender_id=message.sender_id,
                reporter_id=caller,
                reason=request.reason,
                comment=request.comment,
                body=message.body,
                attachments=message.attachments,
                state="open",
                created_at=utc_now(),
            )
        )
        return ReportReceipt(id=stored.id, state=stored.state, created_at=stored.created_at)

    async def page(self, state: ReportState, cursor: str | None, limit: int) -> ReportPage:
        """One page of reports."""
        items = await self._store.reports.page(state, after=cursor or "", limit=limit + 1)
        more = len(items) > limit
        return ReportPage(items=items[:limit], next_cursor=items[limit - 1].id if more else None)

    async def resolve(self, moderator: str, report_id: str, request: ResolveReport) -> Report:
        """Decide on a report; the same decision again is as good as once."""
        if request.delete_message and request.state != "resolved":
            raise errors.invalid("body.delete_message", "a dismissed report deletes nothing")
        report = await self._store.reports.get(report_id)
        if report is None:
            raise errors.not_found("report")
        if report.state not in {"open", request.state}:
            raise errors.conflict("report_closed", f"The report was {report.state} already.")
        if request.delete_message:
            await self._delete(moderator, report)
        if report.state != "open":
            return report
        # Written down first: nothing is done that the log does not know of.
        await self._note(moderator, report, "report_resolved" if request.state == "resolved" else "report_dismissed")
        decided = report.model_copy(
            update={
                "state": request.state,
                "resolved_at": utc_now(),
                "resolved_by": moderator,
                "note": request.note,
            }
        )
        after = await self._store.reports.resolve(decided)
        if after is None:
            raise errors.conflict("report_closed", "Somebody else has decided on it meanwhile.")
        return after

    async def delete_message(self, caller: Principal, message_id: str) -> Message:
        """Delete a message: as a moderator when it was reported and the caller is one, else as a member."""
        if caller.may(Permission.MODERATE) and caller.in_scope(Scope.MODERATION):
            report = await self._store.reports.about(message_id)
            foreign = report is not None and report.sender_id != caller.user_id
            if report and foreign and (message := await self._delete(caller.user_id, report)):
                return message
        return await self._changes.delete(caller.user_id, message_id)

    async def _delete(self, moderator: str, report: Report) -> Message | None:
        message = await self._store.messages.get(report.message_id)
        if message is None or message.deleted_at:
            return message
        await self._note(moderator, report, "message_deleted")
        return await self._changes.tombstone(message, "moderated")

    async def _note(self, moderator: str, report: Report, action: str) -> None:
        await self._store.reports.note(
            AuditEntry.model_validate(
                {
                    "id": new_id(),
                    "at": utc_now(),
                    "actor_id": moderator,
                    "action": action,
                    "message_id": report.message_id,
                    "report_id": report.id,
                }
            )
        )

    async def audit(self, cursor: str | None, limit: int) -> AuditPage:
        """One page of what moderators did, the newest first."""
        items = await self._store.reports.audit(before=cursor, limit=limit + 1)
        more = len(items) > limit
        return AuditPage(items=items[:limit], next_cursor=items[limit - 1].id if more else None)
