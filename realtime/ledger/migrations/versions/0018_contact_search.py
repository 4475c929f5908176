"""Indexes for the search by contact, which compares addresses without case and numbers by their digits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0018"
down_revision = "0017"


def upgrade(op: Operations) -> None:
    """Replace the indexes of the columns, which no query uses any more."""
    op.drop_index("ix_contacts_email", "contacts")
    op.drop_index("ix_contacts_phone", "contacts")
    op.create_index("ix_contacts_email_lower", "contacts", [sa.text("lower(email)")])
    digits = "replace(replace(replace(phone, ' ', ''), '-', ''), '+', '')"
    op.create_index("ix_contacts_phone_digits", "contacts", [sa.text(digits)])
