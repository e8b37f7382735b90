"""Who was certainly in a conversation, and who certainly was not, over a span of time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from chatcluster_testing.history.records import Operation


@dataclass
class Membership:
    """From the operations that change members. A change takes effect somewhere between its call and its answer; one
    without an answer may take effect at any time after its call. Between `certainly_in` and `certainly_out` lies what
    nobody can know."""

    grace: float
    """How long after its answer a removal may not be known everywhere, seconds."""
    _joins: dict[tuple[str, str], list[Operation]] = field(default_factory=lambda: defaultdict(list))
    _leaves: dict[tuple[str, str], list[Operation]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, operations: Sequence[Operation], grace: float) -> "Membership":
        """Read `create`, `add` and `remove`."""
        made = cls(grace)
        for operation in operations:
            if operation.outcome == "refused":
                continue
            if operation.name == "create" and operation.outcome == "ok":
                for user in {operation.user, *operation.arguments["members"]}:
                    made._joins[operation.value["conversation_id"], user].append(operation)
            elif operation.name in {"add", "remove"}:
                into = made._joins if operation.name == "add" else made._leaves
                into[operation.arguments["conversation_id"], operation.arguments["user_id"]].append(operation)
        return made

    def certainly_in(self, conversation: str, user: str, begin: float, end: float) -> bool:
        """A member throughout: joined before, and nothing has removed them since that joining began."""
        return any(
            join.outcome == "ok"
            and join.completed <= begin
            and not any(
                leave.completed >= join.invoked and leave.invoked <= end for leave in self._leaves[conversation, user]
            )
            for join in self._joins[conversation, user]
        )

    def certainly_out(self, conversation: str, user: str, begin: float, end: float) -> bool:
        """Never a member between the two: each joining that could matter was undone, and known to be, before."""
        return all(
            join.invoked > end
            or any(
                leave.outcome == "ok" and leave.invoked >= join.completed and leave.completed + self.grace <= begin
                for leave in self._leaves[conversation, user]
            )
            for join in self._joins[conversation, user]
        )
