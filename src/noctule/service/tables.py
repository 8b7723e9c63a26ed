"""What is remembered, as tables. A change here needs a migration (`migrations/versions`); a test compares.

Times are whole milliseconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Float, ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Table(DeclarativeBase):
    """All tables of the history."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {float: Float}
    # named, so that a later migration can find them
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )


class EventRow(Table):
    """Somebody entered or left, or moved for a while. See `episodes.Event`."""

    __tablename__ = "events"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - a number never means another event

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    start_ms: Mapped[int] = mapped_column(index=True)
    end_ms: Mapped[int]
    ongoing: Mapped[bool]
    peak_score_major: Mapped[float]
    peak_score_minor: Mapped[float]
    radial_velocity_mps: Mapped[float]
    carrier_hz: Mapped[float]
    reason: Mapped[str]
    capture: Mapped[str | None]


class LabelRow(Table):
    """What an event really was, as a person says; the last word counts."""

    __tablename__ = "labels"

    event_id: Mapped[int] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), primary_key=True)
    what: Mapped[str]
    at_ms: Mapped[int]


class DecisionRow(Table):
    """A moment of the sensor's answer; scores are the highest since the row before."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    at_ms: Mapped[int] = mapped_column(index=True)
    presence: Mapped[bool]
    motion: Mapped[str]
    score_major: Mapped[float]
    score_minor: Mapped[float]
    radial_velocity_mps: Mapped[float]
    carrier_snr_db: Mapped[float]
    distortion_removed_db: Mapped[float]
    fault: Mapped[str | None]


class HealthRow(Table):
    """A change of the sensor's health."""

    __tablename__ = "health"

    id: Mapped[int] = mapped_column(primary_key=True)
    at_ms: Mapped[int] = mapped_column(index=True)
    state: Mapped[str]
    reason: Mapped[str]


class SettingRow(Table):
    """A setting got another value, as JSON; secrets are masked."""

    __tablename__ = "settings"

    id: Mapped[int] = mapped_column(primary_key=True)
    at_ms: Mapped[int] = mapped_column(index=True)
    setting: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]
