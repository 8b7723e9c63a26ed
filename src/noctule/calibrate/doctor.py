"""Can this sound card sense, and if not, what is to be done: one verdict a line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np

from noctule.audio.devices import rate_fix
from noctule.calibrate.agc import GainKind, GainReport, MicrophoneGain, analyse_gain, make_gain_stimulus
from noctule.calibrate.choose import CLEAR_OF_TONES_MPS, LEAST_CARRIER_SNR_DB, ULTRASOUND_HZ
from noctule.calibrate.comb import make_comb
from noctule.calibrate.probe import BandwidthProbe, analyse_comb
from noctule.core.errors import NoctuleError
from noctule.core.frames import Float32Array
from noctule.core.units import hz_per_mps

Status = Literal["ok", "warning", "fail"]

#: Real sets reach 45 to 70 dB; with less the reach shrinks.
GOOD_CARRIER_SNR_DB = 45.0
#: The direct sound turns so fast when the clocks differ; faster than this looks like motion.
MOST_CLOCK_HZ = 3.0
#: A gap a second, or a hundredth of the samples: nothing lasts long enough to be called motion.
MOST_XRUNS_PER_S, MOST_DROPPED = 1.0, 0.01
#: The steady tone comes back so much weaker than the comb did: something removes it at once.
MISSING_DB = 10.0
SETTLE_S = 0.3

REMOVING: tuple[GainKind, ...] = ("noise suppression", "echo cancelling")
UNPROCESSED = (
    "choose the unprocessed input: no echo-cancel or noise-reduction source (`pactl list short sources` "
    "shows them), no headset or voice profile, and nothing of the kind on in the mixer (`alsamixer`, F4)"
)
FIXES: dict[GainKind, str] = {
    "agc": f"turn off automatic gain control; {UNPROCESSED}",
    "noise suppression": f"turn off noise suppression; {UNPROCESSED}",
    "echo cancelling": f"turn off echo cancelling; {UNPROCESSED}",
    "clipped": "lower the input gain, or --level-dbfs",
    "unclear": "repeat it in a quieter moment, or with a higher --level-dbfs",
}


class Duplex(Protocol):
    """What is needed of a sound card; `audio.DuplexStream` has it."""

    dropped_samples: int

    @property
    def sample_rate_hz(self) -> float: ...

    @property
    def xruns(self) -> int: ...

    def play_and_record(self, signal: Float32Array, /) -> Float32Array: ...


@dataclass(frozen=True, slots=True)
class Transport:
    """How the samples travelled during the examination."""

    host_api: str
    sample_rate_hz: float
    samples: int
    xruns: int = 0
    dropped_samples: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verdict; `fix` is empty where nothing is to be done."""

    name: str
    status: Status
    finding: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks, and the carrier to sense with (None: there is none)."""

    checks: tuple[Check, ...]
    carrier_hz: float | None = None
    true_bandwidth_hz: float = 0.0
    carrier_snr_db: tuple[float, ...] = ()

    @property
    def status(self) -> Status:
        found = {check.status for check in self.checks}
        return "fail" if "fail" in found else "warning" if "warning" in found else "ok"

    @property
    def sensing_possible(self) -> bool:
        return self.status != "fail"

    def as_record(self) -> dict[str, Any]:
        """The JSON object of `noctule doctor --json`."""
        return {"status": self.status, "sensing_possible": self.sensing_possible, **asdict(self)}


def examine(card: Duplex, host_api: str, level_dbfs: float) -> Diagnosis:
    """Play the comb and the gain test on an open card, and judge what came back; takes 13 s."""
    rate_hz = card.sample_rate_hz
    recorder = _Recorder(card)
    comb = make_comb(rate_hz, level_dbfs)
    probe = analyse_comb(recorder.play_and_record(comb.signal), comb)
    carrier_hz, _ = _carrier_of(probe)
    gain = None
    if carrier_hz is not None:
        stimulus = make_gain_stimulus(rate_hz, carrier_hz, level_dbfs)
        gain = _gain_report(stimulus, recorder.play_and_record(stimulus), rate_hz)
    return diagnose(probe, gain, recorder.transport(host_api))


def unheard(why: str) -> Diagnosis:
    """The verdict where the input gave nothing to judge."""
    fix = (
        "unmute the microphone, turn off noise suppression and echo cancelling (they mute silence), or "
        "choose another input: `noctule devices`"
    )
    return Diagnosis((Check("input", "fail", why, fix),))


class _Recorder:
    """Counts what is lost while something plays, and only then."""

    def __init__(self, card: Duplex) -> None:
        self._card = card
        self._samples = self._xruns = self._dropped = 0

    def play_and_record(self, signal: Float32Array) -> Float32Array:
        # Nobody read while the last recording was judged, and a stream that starts up is lossy:
        # those losses come to light with the next blocks, and tell nothing of the card.
        card = self._card
        card.play_and_record(np.zeros(round(SETTLE_S * card.sample_rate_hz), np.float32))
        xruns, dropped = card.xruns, card.dropped_samples
        recording = card.play_and_record(signal)
        self._samples += len(recording)
        self._xruns += card.xruns - xruns
        self._dropped += card.dropped_samples - dropped
        return recording

    def transport(self, host_api: str) -> Transport:
        return Transport(host_api, self._card.sample_rate_hz, self._samples, self._xruns, self._dropped)


def _gain_report(stimulus: Float32Array, heard: Float32Array, rate_hz: float) -> GainReport | None:
    try:
        return analyse_gain(stimulus, heard, rate_hz)
    except NoctuleError:
        return None


def diagnose(probe: BandwidthProbe, gain: GainReport | None, transport: Transport) -> Diagnosis:
    """The verdict.

    Parameters
    ----------
    gain : None when nothing of the steady tone came back, or there is no carrier to test with.
    """
    carrier_hz, why_none = _carrier_of(probe)
    checks = [_check_bandwidth(probe, transport), _check_transport(transport)]
    if carrier_hz is None:
        finding, _, fix = why_none.partition(": ")
        checks.append(Check("carrier", "fail", finding, fix))
    else:
        checks += [
            _check_carrier(probe, carrier_hz),
            _check_interference(probe, carrier_hz),
            *_check_gain(probe, gain, carrier_hz),
            _check_clock(probe, carrier_hz),
        ]
    checks += [_check_microphones(probe), _check_clipping(probe)]
    snr_db = () if carrier_hz is None else tuple(round(float(x), 1) for x in probe.carrier_snr_db(carrier_hz))
    return Diagnosis(tuple(checks), carrier_hz, probe.true_bandwidth_hz, snr_db)


def _carrier_of(probe: BandwidthProbe) -> tuple[float | None, str]:
    try:
        return probe.choose_carrier(), ""
    except NoctuleError as error:
        return None, str(error)


def _check_bandwidth(probe: BandwidthProbe, transport: Transport) -> Check:
    finding = probe.summary().splitlines()[0]
    if probe.true_bandwidth_hz == 0.0:
        return Check(
            "bandwidth",
            "fail",
            finding,
            "turn the loudspeaker on and up, and check with `noctule devices` that input and output "
            "are the right ones",
        )
    if probe.hidden_rate_hz:
        finding += f"; something resamples to about {probe.hidden_rate_hz:g} Hz"
        if probe.aliases:
            finding += f" and mirrors {len(probe.aliases)} tones into the band below"
        return Check(
            "bandwidth", "warning", finding, rate_fix(transport.host_api, round(probe.sample_rate_hz))
        )
    if probe.true_bandwidth_hz < ULTRASOUND_HZ:
        if probe.sample_rate_hz < 2.2 * ULTRASOUND_HZ:
            fix = "ask for --sample-rate-hz 96000 if the card can do that"
        else:
            fix = "the card could do more: another loudspeaker or microphone would"
        return Check("bandwidth", "warning", f"{finding}; not enough for 32 kHz", fix)
    return Check("bandwidth", "ok", finding)


def _check_transport(transport: Transport) -> Check:
    seconds = transport.samples / transport.sample_rate_hz
    finding = (
        f"{transport.xruns} over- or underflows, {transport.dropped_samples} samples lost in {seconds:.0f} s"
    )
    if transport.xruns == 0 and transport.dropped_samples == 0:
        return Check("transport", "ok", finding)
    often = transport.xruns / seconds > MOST_XRUNS_PER_S
    much = transport.dropped_samples > MOST_DROPPED * transport.samples
    return Check(
        "transport",
        "fail" if often or much else "warning",
        finding,
        "close other audio programs, or raise audio.latency_s and audio.block_s",
    )


def _check_carrier(probe: BandwidthProbe, carrier_hz: float) -> Check:
    snr_db = probe.carrier_snr_db(carrier_hz)[probe.usable_microphones]
    each = ", ".join(f"{x:.0f}" for x in snr_db)
    finding = f"{carrier_hz / 1000:.1f} kHz, {each} dB over the noise in 10 Hz"
    weak = "raise --level-dbfs or the volume, or bring loudspeaker and microphone closer"
    if np.median(snr_db) < GOOD_CARRIER_SNR_DB:
        return Check("carrier", "warning", f"{finding}; little reach", weak)
    if snr_db.min() < LEAST_CARRIER_SNR_DB:
        return Check("carrier", "warning", f"{finding}; one microphone hardly hears it", weak)
    return Check("carrier", "ok", finding)


def _check_interference(probe: BandwidthProbe, carrier_hz: float) -> Check:
    reach_hz = CLEAR_OF_TONES_MPS * hz_per_mps(carrier_hz)
    near = [f"{hz / 1000:.2f}" for hz in probe.interferers_hz if abs(hz - carrier_hz) <= reach_hz]
    if near:
        fix = "find what makes it: another sensor, a pest repeller, a switching power supply"
        return Check("interference", "warning", f"foreign tone at {', '.join(near)} kHz", fix)
    return Check("interference", "ok", f"no foreign tone within {reach_hz:.0f} Hz of the carrier")


def _check_gain(probe: BandwidthProbe, gain: GainReport | None, carrier_hz: float) -> list[Check]:
    if gain is None:
        finding = "the comb came back, a steady tone did not: noise suppression or echo cancelling"
        return [Check("gain", "fail", finding, FIXES["echo cancelling"])]
    found = [one for one in gain.microphones if one.microphone in probe.usable_microphones]
    nothing_left = all(one.kind in REMOVING for one in found)
    checks = []
    for kind in sorted({one.kind for one in found}):
        these = [one for one in found if one.kind == kind]
        numbers = ", ".join(str(one.microphone) for one in these)
        finding = f"microphone {numbers}: {these[0].reason}"
        # AGC blurs, but without the tone there is nothing to sense with.
        status: Status = "ok" if kind == "linear" else "fail" if nothing_left else "warning"
        checks.append(Check("gain", status, finding, _gain_fix(these[0])))
    return checks + _check_missing(probe, found, carrier_hz)


def _check_missing(probe: BandwidthProbe, found: list[MicrophoneGain], carrier_hz: float) -> list[Check]:
    """A canceller that is quick enough has done its work before the first frame: the level tells."""
    checks = []
    for one in found:
        received_dbfs = np.interp(carrier_hz, probe.tone_hz, probe.received_dbfs[:, one.microphone])
        missing_db = (
            received_dbfs - probe.tone_level_dbfs - (one.gain_db if one.gain_db is not None else np.inf)
        )
        if missing_db >= MISSING_DB:
            finding = (
                f"microphone {one.microphone}: a steady tone comes back {missing_db:.0f} dB weaker than the "
                "comb: noise suppression or echo cancelling suspected"
            )
            checks.append(Check("gain", "warning", finding, FIXES["echo cancelling"]))
    return checks


def _gain_fix(one: MicrophoneGain) -> str:
    if one.kind == "limiter" and one.knee_dbfs is not None:
        return f"play softer: --level-dbfs {np.floor(one.knee_dbfs):.0f}"
    return FIXES.get(one.kind, "")


def _check_clock(probe: BandwidthProbe, carrier_hz: float) -> Check:
    turns_hz = abs(probe.clock_ppm) * 1e-6 * carrier_hz
    finding = f"play and record clocks differ by {probe.clock_ppm:.0f} ppm, {turns_hz:.1f} Hz at the carrier"
    if turns_hz <= MOST_CLOCK_HZ:
        return Check("clock", "ok", finding)
    return Check("clock", "warning", finding, "use loudspeaker and microphone of one device")


def _check_microphones(probe: BandwidthProbe) -> Check:
    count = probe.received_dbfs.shape[1]
    words = [
        f"microphone {', '.join(map(str, numbers))} {what}"
        for numbers, what in ((probe.dead, "gives no sound at all"), (probe.covered, "hears 20 dB less"))
        if numbers
    ]
    if not words:
        return Check("microphones", "ok", f"all {count} hear the loudspeaker" if count > 1 else "it hears")
    status: Status = "warning" if probe.usable_microphones else "fail"
    fix = "unmute it, choose another input, or take away what covers it"
    return Check("microphones", status, "; ".join(words), fix)


def _check_clipping(probe: BandwidthProbe) -> Check:
    if not probe.clipped:
        return Check("clipping", "ok", "none")
    everywhere = set(probe.usable_microphones) <= set(probe.clipped)
    numbers = ", ".join(map(str, probe.clipped))
    finding = f"microphone {numbers} is overdriven: coming and going cannot be told apart"
    return Check("clipping", "fail" if everywhere else "warning", finding, FIXES["clipped"])
