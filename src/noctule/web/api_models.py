"""What the API says and hears."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

Label = Literal["me", "nobody", "fan", "curtain", "pet", "other"]


class Problem(BaseModel):
    """Every answer that is no success."""

    detail: str = Field(description="one line for people")


class Record(BaseModel):
    """A line of `noctule run --jsonl`, see docs/reference/jsonl.md."""

    model_config = ConfigDict(extra="allow")

    t: float = Field(description="stream time, s")
    time: AwareDatetime
    presence: bool
    motion: Literal["none", "minor", "major"]
    score_major: float
    score_minor: float
    radial_velocity_mps: float = Field(description="positive comes nearer")
    carrier_hz: float
    carrier_snr_db: float
    fault: str | None
    reason: str


class HealthNow(BaseModel):
    """How the sensor is."""

    state: str = Field(description="healthy, alarmed, recovering, escalated, failed")
    reason: str
    sensing: bool


class HealthChange(BaseModel):
    """Since when it was so."""

    time: AwareDatetime
    state: str
    reason: str


class Health(HealthNow):
    """Now, and before."""

    changes: list[HealthChange] = Field(description="oldest first; none where nothing is kept")


class Emission(BaseModel):
    """What the loudspeaker plays."""

    emitting: bool
    level_dbfs: float
    share_of_last_hour: float


class CalibrationSummary(BaseModel):
    """Of the present devices."""

    made_at: datetime
    carrier_hz: float
    level_dbfs: float
    walk_range_m: float
    small_range_m: float
    verdict: str


class Answer(BaseModel):
    """The sensor's answer, in words."""

    mood: Literal["present", "absent", "trouble", "muted", "starting"]
    words: str
    more: str


class State(BaseModel):
    """Everything at a glance."""

    version: str
    started: AwareDatetime
    answer: Answer
    muted: bool
    health: HealthNow
    record: Record | None = Field(description="the latest; null before the first")
    emission: Emission | None
    calibration: CalibrationSummary | None
    model: str = Field(description="name and version, or cfar")


class SettingsNow(BaseModel):
    """The settings tree; what is secret is masked."""

    settings: dict[str, dict[str, Any]]


class SettingsChanged(SettingsNow):
    """After a change."""

    restarted: bool = Field(description="the sensor starts anew with it")
    at_next_start: list[str] = Field(description="keys that wait for the next start of the program")


#: `{section: {key: value}}`; null: the default.
SettingsChange = dict[str, dict[str, JsonValue]]


class Mute(BaseModel):
    """Neither sound nor listen."""

    on: bool


class Muted(BaseModel):
    """As it is wanted now."""

    muted: bool


class Event(BaseModel):
    """Somebody entered or left, or moved for a while."""

    id: int
    uid: str
    kind: str
    start: AwareDatetime
    end: AwareDatetime
    ongoing: bool
    peak_score_major: float
    peak_score_minor: float
    radial_velocity_mps: float
    carrier_hz: float
    reason: str
    capture: str | None = Field(description="name of what was kept of the signal")
    label: str | None = Field(description="what it really was, as a person says")


class Labelled(BaseModel):
    """What an event really was."""

    what: Label


class CaptureRows(BaseModel):
    """Doppler around an event; a value is a byte, dB = value * step_db + lowest_db."""

    event: AwareDatetime
    event_s: float
    carrier_hz: float
    lowest_db: float
    step_db: float
    velocity_mps: list[float]
    time_s: list[float]
    rows: list[list[int]]


class Decision(BaseModel):
    """A moment of the sensor's answer; scores are the highest since the one before."""

    time: AwareDatetime
    presence: bool
    motion: str
    score_major: float
    score_minor: float
    radial_velocity_mps: float
    carrier_snr_db: float
    distortion_removed_db: float
    fault: str | None


class Routines(BaseModel):
    """As the file has them."""

    routines: list[dict[str, JsonValue]]
    warnings: list[str]
    problem: str | None = Field(description="the file cannot be read; what it said before goes on")


class HomeNow(BaseModel):
    """What Routines know of the home, see docs/reference/routines.md; what is secret is masked."""

    home: dict[str, JsonValue]
    machine_time_zone: str = Field(description="that of the home where it has none")


#: As in the file; null takes a key out, and a secret that comes back masked stays as it is.
HomeChange = dict[str, JsonValue]


class Said(BaseModel):
    """A line of the log of Routines: a verdict, or what became of an action."""

    model_config = ConfigDict(extra="allow")

    time: AwareDatetime
    routine: str
    name: str
    text: str


class Import(BaseModel):
    """Routines as the text of a file."""

    text: str
    replace: bool = Field(False, description="instead of those there are")


class Preset(BaseModel):
    """A sensitivity with what was measured of it."""

    name: str
    trigger_sensitivity: float
    false_alarms_per_day: float
    onsets_found_within_1_s: float
    measured_on: str


class Presets(BaseModel):
    """Of the model in use; none without one."""

    presets: list[Preset]
    default: str | None
    present: str | None = Field(description="the one whose sensitivity is set")


class Word(BaseModel):
    """For those who watch over services."""

    state: str
