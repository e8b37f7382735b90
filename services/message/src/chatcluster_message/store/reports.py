"""Reported messages, and what moderators did about them: the audit log is only ever added to."""

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chatcluster_message.models import AuditEntry, Report, ReportState
from chatcluster_message.store.base import Database, Document


class Reports:
    """The collections `reports` and `audit`."""

    def __init__(self, db: Database) -> None:
        self._reports = db.get_collection("reports")
        self._audit = db.get_collection("audit")

    async def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        await self._reports.create_index(
            [("message_id", ASCENDING), ("reporter_id", ASCENDING)], unique=True, name="once"
        )
        await self._reports.create_index([("state", ASCENDING), ("_id", ASCENDING)], name="state")
        await self._reports.create_index("reporter_id", name="reporter")
        await self._reports.create_index("sender_id", name="sender")

    async def insert(self, report: Report) -> Report:
        """Store a report; the reporter's first one about the message when there is one."""
        try:
            await self._reports.insert_one({**report.model_dump(exclude={"id"}), "_id": report.id})
        except DuplicateKeyError:
            found = await self._reports.find_one({"message_id": report.message_id, "reporter_id": report.reporter_id})
            if found is None:
                raise
            return _report(found)
        return report

    async def get(self, report_id: str) -> Report | None:
        """One report."""
        found = await self._reports.find_one({"_id": report_id})
        return _report(found) if found else None

    async def about(self, message_id: str) -> Report | None:
        """A report about a message, if there is any."""
        found = await self._reports.find_one({"message_id": message_id})
        return _report(found) if found else None

    async def page(self, state: ReportState, *, after: str, limit: int) -> list[Report]:
        """Reports in a state, the oldest first, behind the id `after`."""
        query: Document = {"state": state, "_id": {"$gt": after}}
        found = await self._reports.find(query).sort("_id", ASCENDING).limit(limit).to_list()
        return [_report(document) for document in found]

    async def resolve(self, report: Report) -> Report | None:
        """Write a decision; None when somebody else has decided meanwhile."""
        decision = report.model_dump(include={"state", "resolved_at", "resolved_by", "note"})
        found = await self._reports.find_one_and_update(
            {"_id": report.id, "state": "open"}, {"$set": decision}, return_document=ReturnDocument.AFTER
        )
        return _report(found) if found else None

    async def by_reporter(self, user_id: str) -> list[Report]:
        """What a person has reported."""
        return [_report(document) for document in await self._reports.find({"reporter_id": user_id}).to_list()]

    async def erase(self, user_id: str) -> None:
        """Forget what a person has reported, and the texts of theirs that were reported."""
        await self._reports.delete_many({"reporter_id": user_id})
        await self._reports.update_many({"sender_id": user_id}, {"$set": {"body": "", "attachments": []}})

    async def note(self, entry: AuditEntry) -> None:
        """Add to the audit log."""
        await self._audit.insert_one({**entry.model_dump(exclude={"id"}), "_id": entry.id})

    async def audit(self, *, before: str | None, limit: int) -> list[AuditEntry]:
        """The audit log, the newest first, older than the id `before`."""
        query: Document = {"_id": {"$lt": before}} if before else {}
        found = await self._audit.find(query).sort("_id", DESCENDING).limit(limit).to_list()
        return [AuditEntry.model_validate({**document, "id": document["_id"]}) for document in found]


def _report(document: Mapping[str, Any]) -> Report:
    return Report.model_validate({**document, "id": document["_id"]})
