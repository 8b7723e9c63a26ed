"""Which sound devices there are, what they can do, and how to find one again.

An index is never kept: it changes when something is plugged in. A device is named by a part of its
name, or by its identity, which also survives a new card number.
PortAudio reads the list once, when it is loaded, so a list is as old as the process: a sound card
that came back is seen by a new process only (a second Pa_Initialize aborts the process where a JACK
server has gone away, pa_jack.c `Terminate: Assertion err == 0`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from noctule.core.errors import NoctuleError

Direction = Literal["input", "output"]
DIRECTIONS: tuple[Direction, Direction] = ("input", "output")

#: Rates that are asked for, Hz.
COMMON_RATES_HZ = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 384_000)

#: More inputs than this are a software mixer (ALSA's pulse device says 32): it makes up channels.
MOST_INPUTS = 8

PIPEWIRE_RATES = "44100 48000 88200 96000 176400 192000"


@dataclass(frozen=True, slots=True)
class Device:
    """One sound device. `index` is PortAudio's and good for this process only."""

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    default_rate_hz: float
    identity: str

    def channels(self, direction: Direction) -> int:
        return self.input_channels if direction == "input" else self.output_channels


@dataclass(frozen=True, slots=True)
class DeviceList:
    """All devices, and PortAudio's defaults."""

    devices: tuple[Device, ...]
    default_input: Device | None = None
    default_output: Device | None = None


def import_sounddevice() -> Any:
    """The sounddevice module; one clear line where the PortAudio library is missing."""
    try:
        import sounddevice
    except OSError:
        raise NoctuleError(
            "the PortAudio library is missing: install it (Debian, Ubuntu: apt install libportaudio2; "
            "Fedora: dnf install portaudio; macOS: brew install portaudio)"
        ) from None
    return sounddevice


def list_devices(portaudio: Any = None, proc_asound: Path = Path("/proc/asound")) -> DeviceList:
    """Every device PortAudio knew when it was loaded; JACK clients are devices too."""
    portaudio = portaudio or import_sounddevice()
    apis = portaudio.query_hostapis()
    devices = [
        Device(
            index=entry["index"],
            name=entry["name"],
            host_api=apis[entry["hostapi"]]["name"],
            input_channels=entry["max_input_channels"],
            output_channels=entry["max_output_channels"],
            default_rate_hz=float(entry["default_samplerate"]),
            identity=_identity(apis[entry["hostapi"]]["name"], entry["name"], proc_asound),
        )
        for entry in portaudio.query_devices()
    ]
    devices = _number_twins(devices)
    return DeviceList(
        tuple(devices), _default(portaudio, devices, "input"), _default(portaudio, devices, "output")
    )


def _default(portaudio: Any, devices: Sequence[Device], direction: Direction) -> Device | None:
    try:
        index = portaudio.query_devices(kind=direction)["index"]
    except portaudio.PortAudioError:
        return None
    return next((device for device in devices if device.index == index), None)


def _identity(host_api: str, name: str, proc_asound: Path) -> str:
    """Host API and name, with ALSA's card number replaced by the card's own id and USB id."""

    def stable(match: re.Match[str]) -> str:
        card = proc_asound / f"card{match[1]}"
        parts = [_read(card / "id"), _read(card / "usbid")]
        return f"({','.join(part for part in parts if part) or 'hw'},{match[2]})"

    return f"{host_api}: {re.sub(r'[(]hw:([0-9]+),([0-9]+)[)]', stable, name)}"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number_twins(devices: list[Device]) -> list[Device]:
    """Two equal dongles get `#2`, ... in the order of their card numbers."""
    seen: dict[str, int] = {}
    numbered = []
    for device in devices:
        count = seen[device.identity] = seen.get(device.identity, 0) + 1
        numbered.append(device if count == 1 else replace(device, identity=f"{device.identity} #{count}"))
    return numbered


def find_device(known: DeviceList, wanted: str, direction: Direction) -> Device:
    """The one device whose name or identity fits `wanted`, whatever the case.

    An exact name wins over an exact identity, that over a part of the name, that over a part of
    the identity.

    Raises
    ------
    NoctuleError
        None or several fit; the line lists what there is.
    """
    able = [device for device in known.devices if device.channels(direction) > 0]
    text = wanted.casefold()
    tests: tuple[Callable[[Device], bool], ...] = (
        lambda device: device.name.casefold() == text,
        lambda device: device.identity.casefold() == text,
        lambda device: text in device.name.casefold(),
        lambda device: text in device.identity.casefold(),
    )
    for fits in tests:
        found = [device for device in able if fits(device)]
        if len(found) == 1:
            return found[0]
        if found:
            raise NoctuleError(
                f"{direction} '{wanted}' fits several devices: {_quoted(found)}; name one in full"
            )
    raise NoctuleError(f"no {direction} device fits '{wanted}'; there is: {_quoted(able) or 'none'}")


def _quoted(devices: Sequence[Device]) -> str:
    return ", ".join(f"'{device.identity}'" for device in devices)


def choose_pair(known: DeviceList, input_name: str | None, output_name: str | None) -> tuple[Device, Device]:
    """Input and output to open together.

    A side that is not named follows the other: the same device where it has that direction too, else
    the default. A duplex stream needs both on one host API.
    """
    source = find_device(known, input_name, "input") if input_name else None
    sink = find_device(known, output_name, "output") if output_name else None
    source = source or _follow(sink, "input") or known.default_input
    sink = sink or _follow(source, "output") or known.default_output
    if source is None or sink is None:
        missing = "input" if source is None else "output"
        raise NoctuleError(
            f"there is no {missing} device: connect one, or start the sound server; "
            "`noctule devices` lists them"
        )
    if source.host_api != sink.host_api:
        raise NoctuleError(
            f"input '{source.identity}' and output '{sink.identity}' belong to different sound systems; "
            "choose both of the same one"
        )
    return source, sink


def _follow(other: Device | None, direction: Direction) -> Device | None:
    return other if other and other.channels(direction) > 0 else None


def accepted_rates_hz(device: Device, direction: Direction, portaudio: Any = None) -> list[int]:
    """Those of `COMMON_RATES_HZ` that the device opens with. A sound server accepts every rate and
    resamples in silence: only a probe tone proves bandwidth (`noctule doctor`)."""
    portaudio = portaudio or import_sounddevice()
    check = portaudio.check_input_settings if direction == "input" else portaudio.check_output_settings
    accepted = []
    for rate_hz in COMMON_RATES_HZ:
        try:
            check(device=device.index, channels=1, dtype="float32", samplerate=rate_hz)
        except portaudio.PortAudioError:
            continue
        accepted.append(rate_hz)
    return accepted


def default_channels(available: int, direction: Direction, asked: int | None = None) -> int:
    """How many channels to open: what was asked for; else all inputs up to eight, and two outputs.

    A device with more than eight inputs is a software mixer that makes channels up: then two.

    Raises
    ------
    NoctuleError
        More were asked for than the device has.
    """
    if asked is not None and asked > available:
        raise NoctuleError(
            f"{asked} {direction} channels were asked for, the device has {available}: "
            f"set audio.{direction}_channels"
        )
    if asked is not None:
        return asked
    if direction == "output" or available > MOST_INPUTS:
        return min(2, available)
    return available


def rate_fix(host_api: str, rate_hz: int) -> str:
    """What to do so that the sound system runs at `rate_hz`, in words to print."""
    if "JACK" in host_api:
        return f"restart the JACK server with -r {rate_hz}"
    if host_api == "ALSA":
        return pipewire_rate_fix(rate_hz)
    return f"set the device to {rate_hz} Hz in the system's sound settings"


def pipewire_rate_fix(rate_hz: int) -> str:
    """The exact setting that lets PipeWire run its clock at `rate_hz` instead of resampling to 48 kHz."""
    rates = PIPEWIRE_RATES if str(rate_hz) in PIPEWIRE_RATES.split() else f"{PIPEWIRE_RATES} {rate_hz}"
    return (
        "with PipeWire: put `context.properties = { default.clock.allowed-rates = "
        f"[ {rates} ] }}` into ~/.config/pipewire/pipewire.conf.d/noctule.conf and restart PipeWire, "
        f"or until the next restart: pw-metadata -n settings 0 clock.force-rate {rate_hz}"
    )
