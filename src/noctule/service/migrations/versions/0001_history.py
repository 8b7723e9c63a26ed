"""The history's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.Column("ongoing", sa.Boolean(), nullable=False),
        sa.Column("peak_score_major", sa.Float(), nullable=False),
        sa.Column("peak_score_minor", sa.Float(), nullable=False),
        sa.Column("radial_velocity_mps", sa.Float(), nullable=False),
        sa.Column("carrier_hz", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("capture", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("uid", name="uq_events_uid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_start_ms", "events", ["start_ms"])
    op.create_table(
        "labels",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_labels_event_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", name="pk_labels"),
    )
    _create_log(
        "decisions",
        sa.Column("presence", sa.Boolean(), nullable=False),
        sa.Column("motion", sa.String(), nullable=False),
        sa.Column("score_major", sa.Float(), nullable=False),
        sa.Column("score_minor", sa.Float(), nullable=False),
        sa.Column("radial_velocity_mps", sa.Float(), nullable=False),
        sa.Column("carrier_snr_db", sa.Float(), nullable=False),
        sa.Column("distortion_removed_db", sa.Float(), nullable=False),
        sa.Column("fault", sa.String(), nullable=True),
    )
    _create_log(
        "health",
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )
    _create_log(
        "settings",
        sa.Column("setting", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
    )


def _create_log(name: str, *columns: sa.Column[object]) -> None:
    """A table of moments."""
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_at_ms", name, ["at_ms"])
