"""A sound card that plays and listens at once, as a stream of blocks on one unbroken time line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from noctule.audio.callback import CapturedBlock, Player
from noctule.audio.card import Card, CardProcess, DeviceLost, StreamFormat, StreamRequest
from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock, Float32Array

if TYPE_CHECKING:
    from noctule.core.settings import AudioSettings

__all__ = ["DeviceLost", "DuplexStream", "Reserved"]

#: The first block may come late: PipeWire takes 1-2 s to start a suspended device.
FIRST_BLOCK_S = 8.0

#: So long nothing but exact zeros: what was behind the device has probably gone (a JACK client that
#: left, a source that was removed). A card with a mute switch looks the same, so the patience doubles.
DIGITAL_SILENCE_S, LONGEST_DIGITAL_SILENCE_S = 3.0, 60.0

LONGEST_BACKOFF_S = 5.0

#: So much of a programme is sent ahead: blocks tell late what was played, and a busy machine sends late.
PROGRAMME_AHEAD_S = 0.3


class Reserved(NamedTuple):
    """What the tone needs of the loudspeaker, whatever else it plays."""

    carrier_hz: float
    amplitude: float  # peak, full scale is 1


class DuplexStream:
    """Output and input of a sound card, an `AudioSource`.

    The sample counter `first_sample` goes on over losses: after `reopen` it has advanced by the time
    that went by, so time in the output never stands still or goes back.

    Parameters
    ----------
    settings : device names, rate, block and queue lengths.
    card : the sound card; None opens PortAudio in a process of its own.
    monotonic : clock in seconds that never goes back.
    """

    def __init__(
        self,
        settings: AudioSettings,
        card: Card | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._card: Card = card or CardProcess()
        self._monotonic = monotonic
        self._format: StreamFormat | None = None
        self._origin_s: float | None = None  # monotonic time of stream sample 0, by the newest block
        self._base = 0  # position of the present card's sample 0 in the stream
        self._expected = 0  # next first_sample when nothing is lost
        self._blocks_heard = 0  # since it was opened
        self._zero_samples = 0
        self._silence_limit_s = DIGITAL_SILENCE_S
        self._xruns_before = self._xruns_now = 0
        self._wall_offset_s = 0.0  # wall clock minus stream time
        self.dropped_samples = 0
        #: Set by who plays the tone; None: nothing is played yet, so nothing else may be either.
        self.reserved: Reserved | None = None
        self._programme = threading.Lock()  # what was sent is counted with the card it was sent to
        self._programme_sent = self._programme_taken = 0
        self._underruns_before = self._underruns_now = 0

    @property
    def format(self) -> StreamFormat:
        if self._format is None:
            raise DeviceLost("the sound card is not open")
        return self._format

    @property
    def sample_rate_hz(self) -> float:
        return self.format.sample_rate_hz

    @property
    def channels(self) -> int:
        """Microphones."""
        return self.format.input_channels

    @property
    def xruns(self) -> int:
        """Over- and underflows the driver reported, over all openings."""
        return self._xruns_before + self._xruns_now

    @property
    def output_channels(self) -> int:
        """Loudspeakers."""
        return self.format.output_channels

    @property
    def programme_underruns(self) -> int:
        """How often a programme starved, over all openings."""
        return self._underruns_before + self._underruns_now

    @property
    def now_s(self) -> float:
        """Stream time of this moment, from the clock: it goes on while the card is lost."""
        return 0.0 if self._origin_s is None else self._monotonic() - self._origin_s

    def wall_time_s(self, time_s: float) -> float:
        """Seconds since 1970 of a stream time; follows the drift between the card's clock and ours."""
        return time_s + self._wall_offset_s

    def follow(self, before: DuplexStream) -> None:
        """Let stream time go on where another stream's is now; before it is opened for the first time."""
        self._origin_s = self._monotonic() - before.now_s
        self._wall_offset_s = before._wall_offset_s

    def open(self) -> None:
        """Open the devices; everything played is silence until `set_player`.

        Raises
        ------
        NoctuleError
            The device is absent, ambiguous, busy, or cannot do the rate; the line names the fix.
        """
        wanted = self._settings
        self._format = self._card.open(
            StreamRequest(
                wanted.input,
                wanted.output,
                wanted.sample_rate_hz,
                wanted.input_channels,
                wanted.output_channels,
                wanted.block_s,
                wanted.latency_s,
                wanted.queue_s,
            )
        )
        self._blocks_heard = 0
        self._zero_samples = 0
        self._xruns_before, self._xruns_now = self.xruns, 0
        self._underruns_before, self._underruns_now = self.programme_underruns, 0
        with self._programme:
            self._programme_sent = self._programme_taken = 0

    def close(self) -> None:
        """Let the sound fade out and close; never hangs."""
        self._card.close(gently=True)

    def reopen(self, stop: threading.Event) -> bool:
        """Try until the device is back, less and less often; False when `stop` was set before."""
        self._card.close(gently=False)
        wait_s = self._settings.reopen_every_s
        # The wait comes first: a device that opens and fails at once must not be hammered either.
        while not stop.wait(wait_s):
            try:
                self.open()
            except NoctuleError:
                wait_s = min(2.0 * wait_s, max(LONGEST_BACKOFF_S, self._settings.reopen_every_s))
            else:
                return True
        return False

    def set_player(self, player: Player) -> None:
        """What plays from now on. Hand over a silent one and raise its level, so that nothing clicks."""
        self._card.command("player", player)

    def set_level(self, amplitude: float) -> None:
        """Ramp the player to this peak amplitude; 0 is silence."""
        self._card.command("level", amplitude)

    def send_programme(self, samples: Float32Array, *, last: bool = False) -> None:
        """Let this sound besides the tone, after what was sent before; any thread, and never waits.

        Send what `programme_room` has room for, in pieces of 20 ms or so. Added as it is: keep it out of the
        tone's band and within what `reserved` leaves of full scale.

        Parameters
        ----------
        samples : float32 `(samples, output_channels)`.
        last : the programme ends with them; one that just stops coming fades out, and counts as starved.

        Raises
        ------
        DeviceLost
            The card does not take it: it is away, or busy; the same piece may be sent again.
        """
        with self._programme:
            self._card.command("programme", (samples, last))
            self._programme_sent += len(samples)

    def clear_programme(self) -> None:
        """Let what was sent fade out, within 20 ms, and forget the rest; any thread. DeviceLost as above."""
        self._card.command("clear_programme", None)

    @property
    def programme_left(self) -> int:
        """Samples that were sent and are not over yet, as far as the blocks have told."""
        return max(0, self._programme_sent - self._programme_taken)

    def programme_room(self) -> int:
        """How many samples may be sent now."""
        return max(0, round(PROGRAMME_AHEAD_S * self.sample_rate_hz) - self.programme_left)

    def send_every(self, due_sample: int, period_samples: int) -> None:
        """Let blocks come in bundles, at the first block end from `due_sample` + k·`period_samples` on.

        Waking up costs more than working on a block, so whoever needs several blocks for a result
        should ask for them together. Until the stream is opened again.
        """
        self._card.command("send_every", (due_sample - self._base, period_samples))

    def blocks(self) -> Iterator[AudioBlock]:
        """Blocks until the device is lost, which raises DeviceLost."""
        while True:
            yield self.read()

    def read(self) -> AudioBlock:
        """The next block.

        Raises
        ------
        DeviceLost
            No block for `audio.lost_after_s`, or the sound system closed the stream, or it gives
            nothing but exact zeros.
        """
        return self._next()[0]

    def skip(self, seconds: float) -> None:
        """Read blocks and forget them for so long."""
        end = self._expected + seconds * self.sample_rate_hz
        while self._expected < end:
            self.read()

    def play_and_record(self, signal: Float32Array, tail_s: float = 1.0) -> Float32Array:
        """Play a finite mono signal on all outputs and return what was heard meanwhile and after.

        The signal replaces the player while it sounds: silence the player before.

        Parameters
        ----------
        signal : float32 `(samples,)`, with its own fades.
        tail_s : how long to go on listening.

        Returns
        -------
        float32 `(samples + tail, channels)`; row 0 is the input sample that belongs to the first
        played one, so an echo's row is its play-to-record delay. Lost samples are zeros.
        """
        recorded = np.zeros((len(signal) + round(tail_s * self.sample_rate_hz), self.channels), np.float32)
        self._card.command("play", signal)
        block = self._await_play()
        start = block.first_sample
        while (at := block.first_sample - start) < len(recorded):
            part = block.samples[: len(recorded) - at]
            recorded[at : at + len(part)] = part
            block = self.read()
        return recorded

    def _await_play(self) -> AudioBlock:
        """The block with which the finite sound began."""
        waited_samples = 0
        while waited_samples < FIRST_BLOCK_S * self.sample_rate_hz:
            block, play_began = self._next()
            if play_began:
                return block
            waited_samples += len(block.samples)
        raise DeviceLost("the sound card does not play")

    def _next(self) -> tuple[AudioBlock, bool]:
        patience_s = self._settings.lost_after_s if self._blocks_heard else FIRST_BLOCK_S
        captured = self._card.receive(patience_s)
        if captured is None:
            raise DeviceLost(f"no sound came in for {patience_s:g} s")
        samples = np.frombuffer(captured.samples, np.float32).reshape(-1, self.channels)
        self._xruns_now = captured.xruns
        self._programme_taken, self._underruns_now = captured.programme_taken, captured.programme_underruns
        self._watch_digital_silence(samples)
        gap = self._advance(captured, len(samples))
        self._follow_wall_clock(captured.wall_time_s)
        block = AudioBlock(
            samples,
            self.sample_rate_hz,
            self._expected - len(samples),
            overflowed=captured.lost_before or gap > 0,
        )
        return block, captured.play_began

    def _advance(self, captured: CapturedBlock, samples: int) -> int:
        """Move the counter on; samples that are missing before this block."""
        if not self._blocks_heard and self._origin_s is not None:
            # The first block of a card that goes on lies where the clock says, never before what was given
            # out.
            from_clock = round(self.now_s * self.sample_rate_hz) - samples
            self._base = max(from_clock, self._expected) - captured.first_sample
        first_sample = self._base + captured.first_sample
        gap = first_sample - self._expected
        self.dropped_samples += gap if self._blocks_heard else 0
        self._expected = first_sample + samples
        self._origin_s = self._monotonic() - self._expected / self.sample_rate_hz
        return gap

    def _watch_digital_silence(self, samples: Float32Array) -> None:
        if samples.any():
            self._zero_samples = 0
            self._silence_limit_s = DIGITAL_SILENCE_S
            return
        self._zero_samples += len(samples)
        if self._zero_samples > self._silence_limit_s * self.sample_rate_hz:
            limit_s = self._silence_limit_s
            self._silence_limit_s = min(2.0 * limit_s, LONGEST_DIGITAL_SILENCE_S)
            raise DeviceLost(f"nothing but digital silence came in for {limit_s:g} s")

    def _follow_wall_clock(self, wall_time_s: float) -> None:
        error_s = wall_time_s - self._expected / self.sample_rate_hz - self._wall_offset_s
        # Callbacks come some milliseconds early or late, the first ones in a burst: average over a second
        # or since the start. A clock that was set jumps.
        self._blocks_heard += 1
        share = 1.0 if abs(error_s) > 0.5 else max(1.0 / self._blocks_heard, 0.02)
        self._wall_offset_s += share * error_s
