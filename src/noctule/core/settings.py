"""One settings tree: every value with its unit and allowed range.

Order of precedence: flags, then `NOCTULE_SECTION__KEY` in the environment, then the TOML file,
then the defaults below. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from noctule.core.errors import NoctuleError

ENVIRONMENT_PREFIX = "NOCTULE_"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AudioSettings(_Section):
    """The sound card."""

    input: str | None = Field(None, description="part of the input device's name; None: default")
    output: str | None = Field(None, description="part of the output device's name; None: default")
    sample_rate_hz: int = Field(96000, ge=44100, le=500000)
    input_channels: int | None = Field(None, ge=1, le=8, description="None: all, at most 8")
    output_channels: int | None = Field(
        None, ge=1, le=2, description="None: 2 where the device has them, else 1"
    )
    block_s: float = Field(0.02, ge=0.002, le=0.1, description="callback block; adds to the latency")
    latency_s: float = Field(0.1, ge=0.0, le=1.0, description="asked of PortAudio; 0.06 lost samples")
    queue_s: float = Field(
        2.0, ge=0.1, le=30.0, description="audio that may wait before the oldest is dropped"
    )
    lost_after_s: float = Field(1.5, ge=0.5, le=30.0, description="no block for so long: the device is lost")
    reopen_every_s: float = Field(1.0, ge=0.1, le=60.0)


class EmitSettings(_Section):
    """What the loudspeaker plays."""

    carrier_hz: float | Literal["auto"] = Field("auto")
    level_dbfs: float = Field(-20.0, ge=-90.0, le=0.0, description="peak level of the tone")
    ceiling_dbfs: float = Field(-6.0, ge=-90.0, le=0.0, description="never louder, whatever is asked for")
    full_scale_spl_db: float | None = Field(
        None,
        ge=40.0,
        le=160.0,
        description="dB SPL at 0.3 m of a full-scale carrier, where known: the SPL ceilings hold then",
    )
    ramp_s: float = Field(0.1, ge=0.07, le=1.0, description="fade in and out, so that nothing clicks")


class CalibrateSettings(_Section):
    """How carrier and level are found."""

    range_m: float = Field(4.0, ge=0.5, le=12.0, description="walks are to be found to here, and not farther")
    profile: str | None = Field(
        None, description="file of a device profile: what its maker knows of its loudspeaker; None: unknown"
    )
    max_age_days: float = Field(
        30.0, ge=0.01, le=3650.0, description="`auto` calibrates anew where the last one is older"
    )


class GateSettings(_Section):
    """When the tone falls silent because it is known who is here; short looks between."""

    enabled: bool = Field(False, description="emit as little as possible; off: the tone is always on")
    look_s: float = Field(2.5, ge=1.0, le=60.0, description="a look lasts at least so long")
    rest_s: float = Field(
        1.5, ge=0.5, le=10.0, description="and until nobody has moved for so long: it shows whether they stay"
    )
    silent_s: float = Field(
        8.0, ge=1.0, le=120.0, description="a silence while somebody is here; longer ones miss who leaves"
    )
    silent_growth: float = Field(
        0.1, ge=0.0, le=1.0, description="silences grow to this share of how long somebody has been here"
    )
    longest_silent_s: float = Field(
        8.0,
        ge=1.0,
        le=300.0,
        description="no silence grows beyond this; longer ones emit less and miss more of who leaves",
    )
    doubt: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="no silence where more than this speaks for their having left; 0: look until they move",
    )
    absent_looks: bool = Field(
        False, description="short looks also while nobody is here: emits less, sees later who comes"
    )
    absent_after_s: float = Field(
        1800.0, ge=10.0, le=86400.0, description="so long without motion before looks become short"
    )
    absent_silent_s: float = Field(
        2.0, ge=0.5, le=60.0, description="a silence while nobody is here; who comes is seen so much later"
    )


#: Rises when the same settings give other features.
_FEATURE_LAYOUT = 4


class FeatureSettings(_Section):
    """What the detector sees. The digest of this section travels with every model."""

    hop_s: float = Field(0.048, ge=0.01, le=0.05, description="a decision every so often")
    velocity_max_mps: float = Field(6.0, ge=2.0, le=12.0)
    velocity_step_mps: float = Field(0.05, ge=0.02, le=0.2)
    baseband_rate_hz: float = Field(
        6000.0,
        ge=5000.0,
        le=12000.0,
        description="at least this is asked of the decimator, rounded to a whole decimation",
    )
    stopband_db: float = Field(100.0, ge=60.0, le=120.0)

    def digest(self) -> str:
        """Short hash of everything that changes what a model sees."""
        text = json.dumps({"layout": _FEATURE_LAYOUT, **self.model_dump()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class PresenceSettings(_Section):
    """When motion becomes presence, and how long presence lasts."""

    trigger_sensitivity: float = Field(
        0.5, ge=0.0, le=1.0, description="absent to present; higher notices more"
    )
    sustain_sensitivity: float = Field(
        0.75, ge=0.0, le=1.0, description="keeps presence right after a major motion"
    )
    sustain_decay_s: float = Field(
        600.0,
        ge=1.0,
        le=7200.0,
        description="sustain falls back to trigger over this time since the last major motion",
    )
    on_latency_s: float = Field(0.2, ge=0.05, le=10.0, description="motion must last so long; never 0")
    minor_on_latency_s: float = Field(
        3.0, ge=0.5, le=60.0, description="minor motion alone must last so long; at least on_latency_s"
    )
    off_latency_s: float = Field(10.0, ge=5.0, le=7200.0, description="silence before nobody is there")
    settled_off_latency_s: float = Field(
        300.0,
        ge=5.0,
        le=7200.0,
        description="the same where whoever moved last seems to have stayed; only the network can tell",
    )
    hold_s: float = Field(2.0, ge=0.0, le=60.0, description="presence lasts at least so long")


class ModelSettings(_Section):
    """What turns features into scores."""

    detector: Literal["cfar", "network"] = Field(
        "network", description="the trained network of `name`, or model-free (cfar)"
    )
    name: str = Field(
        "people-5",
        min_length=1,
        description="a model that comes with noctule, or the path of a folder that `noctule export` made",
    )


class StoreSettings(_Section):
    """What the running sensor remembers, where, and for how long."""

    enabled: bool = Field(True, description="`noctule run` keeps events, decisions and health")
    folder: Path | None = Field(
        None,
        description="None: $STATE_DIRECTORY (systemd), $XDG_STATE_HOME/noctule or ~/.local/state/noctule",
    )
    events_keep_days: float = Field(
        365.0, ge=1.0, le=36500.0, description="events without a label are forgotten after so many days"
    )
    decisions_keep_days: float = Field(
        14.0, ge=0.1, le=36500.0, description="the second-by-second record is forgotten after so many days"
    )
    largest_mb: float = Field(
        200.0, ge=1.0, le=100_000.0, description="above this the oldest is forgotten, decisions first"
    )
    decision_every_s: float = Field(
        1.0, ge=0.1, le=60.0, description="a decision is kept every so often, and every change"
    )
    write_every_s: float = Field(
        5.0, ge=0.1, le=60.0, description="decisions are written together every so often; events at once"
    )
    busy_timeout_s: float = Field(
        5.0, ge=0.0, le=60.0, description="how long a file that another program locked is waited for"
    )
    waiting_events: int = Field(
        10_000, ge=10, le=1_000_000, description="events that may wait in memory while nothing can be written"
    )
    captures_mb: float = Field(
        500.0,
        ge=0.0,
        le=1_000_000.0,
        description="features kept around events; above it the oldest go; 0: none",
    )
    capture_before_s: float = Field(5.0, ge=0.0, le=60.0, description="kept before the start of an event")
    capture_after_s: float = Field(3.0, ge=0.5, le=60.0, description="kept after the start of an event")
    capture_baseband: bool = Field(
        False, description="keep the complex baseband as well (SigMF); it holds nothing audible"
    )
    least_free_mb: float = Field(
        200.0, ge=0.0, le=100_000.0, description="less free disk than this is a health alarm"
    )


class WebSettings(_Section):
    """The app in the browser, and its API."""

    enabled: bool = Field(True, description="`noctule run` without --headless serves the app")
    host: str = Field(
        "127.0.0.1",
        description="address to listen on; any but this machine's own needs a password: `noctule password`",
    )
    port: int = Field(8742, ge=1, le=65535)
    base_path: str = Field(
        "",
        pattern=r"^(/[\w.~-]+)*$",
        description="where a proxy shows the app, as in /noctule",
    )
    password_hash: str | None = Field(
        None, description="written by `noctule password`; None: whoever reaches the address may come in"
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="more names that the app answers to, as those a proxy knows it by"
    )


class RoutinesSettings(_Section):
    """What is done when somebody comes, leaves, moves."""

    enabled: bool = Field(True, description="`noctule run` runs Routines")
    file: Path | None = Field(None, description="None: $XDG_CONFIG_HOME/noctule/routines.yaml")

    @property
    def path(self) -> Path:
        """Where Routines are."""
        return self.file.expanduser() if self.file else default_path().with_name("routines.yaml")


class Settings(_Section):
    """The whole tree."""

    audio: AudioSettings = AudioSettings()
    emit: EmitSettings = EmitSettings()
    gate: GateSettings = GateSettings()
    calibrate: CalibrateSettings = CalibrateSettings()
    features: FeatureSettings = FeatureSettings()
    model: ModelSettings = ModelSettings()
    presence: PresenceSettings = PresenceSettings()
    store: StoreSettings = StoreSettings()
    routines: RoutinesSettings = RoutinesSettings()
    web: WebSettings = WebSettings()


def load_settings(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Settings:
    """Read, merge and check the settings.

    Parameters
    ----------
    path : TOML file; None looks for `$XDG_CONFIG_HOME/noctule/noctule.toml` and does without.
    environment : defaults to `os.environ`.
    overrides : `{section: {key: value}}` from the command line; None values are ignored.

    Raises
    ------
    NoctuleError
        One line that names the key, what is allowed, and the nearest known key.
    """
    tree: dict[str, Any] = _read_toml(path)
    given: list[Mapping[str, Mapping[str, Any]]] = [
        _from_environment(os.environ if environment is None else environment),
        overrides or {},
    ]
    for source in given:
        for section, values in source.items():
            kept = tree.setdefault(section, {})
            if isinstance(kept, dict):  # where the file has no table, validation says so
                kept.update({k: v for k, v in values.items() if v is not None})
    return checked_settings(tree)


def checked_settings(tree: Mapping[str, Any]) -> Settings:
    """Settings from `{section: {key: value}}`.

    Raises
    ------
    NoctuleError
        As `load_settings`.
    """
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise NoctuleError(_one_line(error)) from None


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        path = default_path()
        if not path.is_file():
            return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NoctuleError(f"settings {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NoctuleError(f"settings {path}: not valid TOML: {error}") from None


def default_path() -> Path:
    """Where the settings file lives when none is named (XDG base directories)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "noctule" / "noctule.toml"


def _from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name:
            section, key = name[len(ENVIRONMENT_PREFIX) :].lower().split("__", 1)
            found.setdefault(section, {})[key] = value
    return found


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(), n=1, cutoff=0.0)
        return f"settings: unknown key '{key}'; did you mean '{near[0]}'?"
    return f"settings: {key} = {first['input']!r}: {first['msg'].lower()}"


def _known_keys() -> list[str]:
    keys = []
    for section, field in Settings.model_fields.items():
        keys.append(section)
        keys += [f"{section}.{name}" for name in type(field.default).model_fields]
    return keys
