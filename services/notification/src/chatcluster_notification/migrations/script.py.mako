"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Apply. The release before must keep working on the result: it still serves while this one rolls out."""
    ${upgrades if upgrades else "pass"}
