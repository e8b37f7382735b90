"""Erasures as JSON."""

from pydantic import BaseModel, Field

from chatcluster_common.clock import Timestamp
from chatcluster_user.people.models import EXAMPLE_ID


class Erasure(BaseModel):
    """How far the erasure of a person's data has come."""

    user_id: str = Field(description="Who is gone.", examples=[EXAMPLE_ID])
    requested_at: Timestamp = Field(description="When the account went.")
    finished_at: Timestamp | None = Field(description="When the last service was done; null: not yet.")
    pending: dict[str, str] = Field(
        description="The services that still hold data, and how the last attempt ended.", examples=[{"file": "more"}]
    )
    attempts: int = Field(description="Rounds of asking the services.", examples=[1])
    due_at: Timestamp | None = Field(description="When they are asked again; null: never by itself.")


class ErasurePage(BaseModel):
    """Some of the erasures."""

    items: list[Erasure] = Field(description="The latest accounts first.")
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")
