"""What is played: the burst that measures the delay, then the tone; and what the records say of it."""

from __future__ import annotations

from noctule.audio.duplex import DuplexStream, Reserved
from noctule.calibrate.delay import estimate_delay
from noctule.core.settings import EmitSettings
from noctule.emit import EmissionMeter, TonePlayer, chirp_burst, choose_level, on_grid, tone_table

#: Until the tone is back in the microphones where the delay could not be measured.
UNKNOWN_DELAY_S = 0.3


class Emission:
    """The tone of one sensor.

    Attributes
    ----------
    carrier_hz : what is really played, whole hertz.
    level : the peak level used, and why it is not the one asked for.
    emitting : the tone is on.
    delay_s : play to record, None until it was found.
    meter : for how much of the time it was on.
    """

    def __init__(self, settings: EmitSettings, carrier_hz: float, sample_rate_hz: float) -> None:
        self.carrier_hz = on_grid(carrier_hz, round(sample_rate_hz))
        self.level = choose_level(
            settings.level_dbfs, settings.ceiling_dbfs, self.carrier_hz, settings.full_scale_spl_db
        )
        self.emitting = False
        self.delay_s: float | None = None
        self.meter = EmissionMeter()
        self._ramp_s = settings.ramp_s
        self._table = tone_table(self.carrier_hz, round(sample_rate_hz))
        self._burst = chirp_burst(self.carrier_hz, sample_rate_hz, self.level.level_dbfs)

    def start(self, stream: DuplexStream) -> None:
        """Measure the delay, start the tone, and return when it is back in the microphones.

        What comes before would look like somebody to the detector, and the filters need not see it.
        """
        heard = stream.play_and_record(self._burst)
        found = estimate_delay(heard, self._burst, stream.sample_rate_hz)
        self.delay_s = found.delay_s if found else None
        stream.reserved = Reserved(self.carrier_hz, self.level.amplitude)
        stream.set_player(TonePlayer(self._table, stream.sample_rate_hz, self._ramp_s))
        stream.skip(self.fade_in(stream))

    def silence(self, stream: DuplexStream) -> None:
        """Fade out, and return when nothing of the tone comes back any more."""
        self.fade_out(stream)
        stream.skip(self._turnaround_s)

    def fade_in(self, stream: DuplexStream) -> float:
        """Let the tone sound; returns the seconds until all of it is back in the microphones."""
        stream.set_level(self.level.amplitude)
        self.emitting = True
        return self._turnaround_s

    def fade_out(self, stream: DuplexStream) -> None:
        """Let the tone fade out, and do not wait for it."""
        stream.set_level(0.0)
        self.emitting = False

    @property
    def _turnaround_s(self) -> float:
        return self._ramp_s + (UNKNOWN_DELAY_S if self.delay_s is None else self.delay_s)

    def lost(self) -> None:
        """The card went away, and the tone with it."""
        self.emitting = False
        self.delay_s = None

    def facts(self) -> dict[str, object]:
        """Keys of each record."""
        delay_s = None if self.delay_s is None else round(self.delay_s, 6)
        return {
            "emitting": self.emitting,
            "level_dbfs": round(self.level.level_dbfs, 2),
            "delay_s": delay_s,
            "emission_share": round(self.meter.share_of_last_hour, 4),
        }
