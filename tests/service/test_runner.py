"""The live loop on a card in memory: it decides, it survives losses, it never goes silently stale."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from tests.audio.fake_card import FakeCard

from noctule.audio.duplex import DuplexStream
from noctule.core.errors import NoctuleError
from noctule.core.frames import AudioBlock, Decision, Fault, Float32Array
from noctule.core.settings import AudioSettings, EmitSettings, GateSettings, PresenceSettings, Settings
from noctule.service.runner import LiveSensor, State, Tone, missing_carrier_verdict

RATE_HZ = 48_000
CARRIER_HZ = 20_000.0
HOP_S = 0.04
Record = Mapping[str, Any]


#: Looks of a second and silences of one, for a run of seconds.
GATE = GateSettings(enabled=True, look_s=1.0, rest_s=0.5, silent_s=1.0, longest_silent_s=1.0)


def settings(gate: GateSettings | None = None, **emit: Any) -> Settings:
    return Settings(
        audio=AudioSettings(sample_rate_hz=RATE_HZ, block_s=0.02, reopen_every_s=0.1),
        emit=EmitSettings(**{"carrier_hz": CARRIER_HZ, **emit}),
        gate=gate or GateSettings(),
    )


class FakePipeline:
    """A frame each 40 ms, the first 0.2 s after a reset; the carrier is there when the block is louder than
    its noise.
    """

    FILL_S = 0.2

    def __init__(self, carrier_hz: float, sample_rate_hz: float, channels: int) -> None:
        self.made_with = (carrier_hz, sample_rate_hz, channels)
        self.resets = 0
        self.blocks: list[AudioBlock] = []
        self.next_s: float | None = None
        self.presence = True
        self.left_s: list[float] = []
        self.resumed = 0
        self.restored: Mapping[str, Any] | None = None

    def snapshot(self) -> dict[str, Any]:
        return {"presence": self.presence}

    def restore(self, snapshot: Mapping[str, Any], age_s: float = 0.0) -> None:
        self.restored = snapshot

    def set_presence(self, settings: PresenceSettings) -> None: ...

    def process(self, block: AudioBlock) -> list[Decision]:
        self.blocks.append(block)
        start_s, end_s = (
            sample / RATE_HZ for sample in (block.first_sample, block.first_sample + len(block.samples))
        )
        if self.next_s is None or self.next_s < start_s:  # no frame before a window is full
            self.next_s = start_s + self.FILL_S
        decisions = []
        while self.next_s <= end_s + 1e-9:
            heard = np.abs(block.samples).max() > 1e-3
            decisions.append(self._decision(self.next_s, Fault(0) if heard else Fault.CARRIER_MISSING))
            self.next_s += HOP_S
        return decisions

    def warm_up(self) -> None: ...

    def reset(self) -> None:
        self.resets += 1
        self.next_s = None

    def unavailable(self, time_s: float, fault: Fault) -> Decision:
        return self._decision(time_s, fault)

    def resume(self) -> None:
        self.resumed += 1

    def paused(self, time_s: float, look_in_s: float = 0.0) -> Decision:
        self.left_s.append(look_in_s)
        return self._decision(time_s, Fault(0), "silent")

    def _decision(self, time_s: float, fault: Fault, reason: str = "") -> Decision:
        return Decision(time_s, self.presence, "none", 0.0, 0.0, 0.0, self.made_with[0], 50.0, fault, reason)


@dataclass
class FakeProbe:
    """Notes that it was used, and gives the verdict it was told."""

    true_bandwidth_hz: float = 23_900.0
    used: int = 0
    levels: list[float] = field(default_factory=list)
    signal: Float32Array = field(default_factory=lambda: np.full(100, 0.01, np.float32))

    def __call__(
        self, play: Callable[[Float32Array], Float32Array], rate_hz: float, level: float
    ) -> FakeProbe:
        self.used += 1
        self.levels.append(level)
        play(self.signal)
        return self


@dataclass
class FakeCalibration:
    """Finds the tones it was told, one after the other; none left: a line. Its watch asks for the next one at
    that many seconds.
    """

    tones: list[tuple[float, float]] = field(default_factory=lambda: [(19_000.0, -33.0)])
    drifts_at_s: float = math.inf
    asked: list[bool] = field(default_factory=list)

    def __call__(self, stream: DuplexStream, again: bool) -> Tone:
        self.asked.append(again)
        stream.play_and_record(np.full(100, 0.01, np.float32))
        if not self.tones:
            raise NoctuleError("no tone came back")
        carrier_hz, level_dbfs = self.tones.pop(0)
        return Tone(carrier_hz, level_dbfs, f"carrier {carrier_hz:g} Hz", self._watch)

    def _watch(self, decision: Decision) -> str | None:
        if decision.time_s < self.drifts_at_s:
            return None
        self.drifts_at_s = math.inf
        return "another emitter"


class Bench:
    """A sensor with everything faked, and what came of it."""

    def __init__(
        self,
        card: FakeCard | None = None,
        probe: FakeProbe | None = None,
        gate: GateSettings | None = None,
        calibration: FakeCalibration | None = None,
        **emit: Any,
    ) -> None:
        self.card = card or FakeCard()
        self.calibration = calibration or FakeCalibration()
        self.probe = probe or FakeProbe()
        self.records: list[Record] = []
        self.said: list[str] = []
        self.warned: list[str] = []
        self.pipelines: list[FakePipeline] = []
        tree = settings(gate, **emit)
        self.stream = DuplexStream(tree.audio, self.card, self.card.monotonic)
        self.sensor = LiveSensor(
            tree,
            make_pipeline=self._make,
            find_tone=self.calibration,
            run_probe=self.probe,
            say=self.said.append,
            warn=self.warned.append,
            stream=self.stream,
        )

    def _make(self, *facts: Any) -> FakePipeline:
        self.pipelines.append(FakePipeline(*facts))
        return self.pipelines[-1]

    def run(
        self, until: Callable[[Record], bool] = lambda record: False, seconds: float | None = 4.0
    ) -> None:
        """Sense until a record pleases, for so many seconds of stream time at most."""

        def sink(record: Record) -> None:
            self.records.append(record)
            if until(record):
                self.sensor.stop()

        self.sensor.run(sink, seconds)

    def faults(self) -> list[Any]:
        """Without repetitions."""
        names = [record["fault"] for record in self.records]
        return [name for k, name in enumerate(names) if k == 0 or name != names[k - 1]]

    def levels_played(self) -> list[float]:
        return [value for verb, value in self.card.commands if verb == "level"]


def test_records_have_the_contracts_keys() -> None:
    bench = Bench(FakeCard(delay_samples=4321))
    bench.run(seconds=2.0)
    record = bench.records[5]
    assert record["carrier_hz"] == CARRIER_HZ
    assert record["emitting"] is True
    assert record["level_dbfs"] == -20.0
    assert record["delay_s"] == pytest.approx(4321 / RATE_HZ, abs=1e-6)
    assert record["xruns"] == 0
    assert record["emission_share"] == 1.0
    assert record["fault"] is None
    # The card's clock began at 1000 s, the wall clock is 5e8 s later: 1985.
    assert str(record["time"]).startswith("1985-11-05T01:10:")
    assert str(record["time"]).endswith("Z")
    assert len(str(record["time"])) == len("1985-11-05T01:10:01.234Z")
    assert bench.pipelines[0].made_with == (CARRIER_HZ, RATE_HZ, 2)


def test_the_pipeline_hears_the_tone_from_its_first_block_on() -> None:
    """The burst, the silence after it and the ramp are over: nothing that looks like somebody."""
    bench = Bench(FakeCard(delay_samples=9000, gain=0.5))
    bench.run(seconds=2.5)
    blocks = bench.pipelines[0].blocks
    sound = np.concatenate([block.samples[:, 0] for block in blocks])
    n = blocks[0].first_sample + np.arange(len(sound)) - 9000
    expected = 0.5 * 0.1 * np.sin(2 * np.pi * ((n * int(CARRIER_HZ)) % RATE_HZ) / RATE_HZ)
    np.testing.assert_allclose(sound, expected, atol=1e-4)


def test_seconds_are_of_the_stream() -> None:
    bench = Bench()
    bench.run(seconds=3.0)
    assert 2.9 < bench.records[-1]["t"] <= 3.0
    assert bench.card.closed == [True]


def test_time_and_stream_time_go_together() -> None:
    bench = Bench()
    bench.run(seconds=3.0)
    times = [record["t"] for record in bench.records]
    np.testing.assert_allclose(np.diff(times), HOP_S, atol=1e-3)


def test_stop_fades_out_and_closes_gently() -> None:
    bench = Bench()
    bench.run(until=lambda record: True, seconds=None)
    assert len(bench.records) <= 2
    assert bench.card.closed == [True]


def test_a_delay_that_is_not_found_is_null() -> None:
    bench = Bench(FakeCard(gain=0.0))
    bench.run(seconds=3.0)
    assert bench.records
    assert {record["delay_s"] for record in bench.records} == {None}


def test_a_level_above_the_ceiling_is_capped_and_said() -> None:
    bench = Bench(level_dbfs=0.0, ceiling_dbfs=-10.0)
    bench.run(seconds=2.0)
    assert bench.records[0]["level_dbfs"] == -10.0
    assert len(bench.warned) == 1
    assert "ceiling_dbfs" in bench.warned[0]
    assert bench.levels_played() == pytest.approx([10 ** (-10 / 20)])
    assert np.abs(bench.card.played).max() <= 10 ** (-10 / 20) + 1e-6


def test_a_device_that_cannot_be_opened_at_the_start_ends_it() -> None:
    bench = Bench()
    bench.card.refuse = ["no such card"]
    with pytest.raises(NoctuleError, match="no such card"):
        bench.run()
    assert not bench.records


def test_a_card_that_never_gives_a_block_ends_the_start() -> None:
    bench = Bench()
    bench.card.lost_from = 0
    with pytest.raises(NoctuleError, match="no sound came in"):
        bench.run()


def test_a_lost_device_keeps_records_coming_until_it_is_back() -> None:
    bench = Bench()
    card = bench.card
    card.closed_from = 3 * RATE_HZ
    enough = threading.Event()

    def wait_while_lost() -> None:
        if card.openings:
            card.closed_from = None
            assert enough.wait(10.0)

    card.before_open = wait_while_lost
    lost = [0]

    def until(record: Record) -> bool:
        lost[0] += record["fault"] == "device_lost"
        if lost[0] == 5:
            enough.set()
        return lost[0] >= 5 and record["fault"] is None

    bench.run(until, seconds=None)
    assert bench.faults() == [None, "device_lost", None]
    away = [record for record in bench.records if record["fault"] == "device_lost"]
    assert {(r["motion"], r["emitting"], r["delay_s"]) for r in away} == {("none", False, None)}
    back = bench.records[-1]
    assert back["emitting"] is True
    assert back["delay_s"] == pytest.approx(1500 / RATE_HZ, abs=1e-6)  # measured anew
    times = [record["t"] for record in bench.records]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert card.openings == 2
    assert len(bench.warned) == 1
    assert "waiting" in bench.warned[0]
    assert "the device is back" in bench.said


def test_after_a_loss_the_signal_is_forgotten_and_the_people_are_not() -> None:
    bench = Bench()
    bench.card.closed_from = 3 * RATE_HZ

    def heal() -> None:
        bench.card.closed_from = None if bench.card.openings else bench.card.closed_from

    bench.card.before_open = heal
    bench.run(lambda record: bench.card.openings == 2 and record["fault"] is None, seconds=None)
    (pipeline,) = bench.pipelines  # the same one: its tracker knows who is here
    assert pipeline.resets == 2


def test_a_device_that_returns_with_other_microphones_gets_a_new_pipeline() -> None:
    bench = Bench(FakeCard(channels=4))
    bench.card.closed_from = 3 * RATE_HZ

    def change() -> None:
        if bench.card.openings:
            bench.card.closed_from, bench.card.channels = None, 2

    bench.card.before_open = change
    bench.run(lambda record: len(bench.pipelines) == 2, seconds=None)
    assert [pipeline.made_with[2] for pipeline in bench.pipelines] == [4, 2]


def test_stop_ends_the_waiting_for_a_lost_device() -> None:
    bench = Bench()
    bench.card.closed_from = 2 * RATE_HZ

    def gone() -> None:
        if bench.card.openings:
            raise NoctuleError("gone")

    bench.card.before_open = gone
    bench.run(lambda record: record["fault"] == "device_lost", seconds=None)
    assert bench.faults() == [None, "device_lost"]


def test_seconds_end_the_waiting_for_a_lost_device() -> None:
    bench = Bench()
    bench.card.closed_from = 2 * RATE_HZ

    def gone() -> None:
        bench.card.clock_s += 10.0  # time goes by
        if bench.card.openings:
            raise NoctuleError("gone")

    bench.card.before_open = gone
    bench.run(seconds=5.0)
    assert bench.faults()[0] is None


def test_a_worker_that_hangs_is_a_lost_device_too() -> None:
    """A driver that never returns gives no error: only the watch over the records notices."""
    bench = Bench()
    bench.run(seconds=2.0)
    count = len(bench.records)
    now_s = [0.0]
    sensor = bench.sensor
    sensor._monotonic = lambda: sensor._last_record_s + now_s[0]
    sensor.state = State.SENSING
    now_s[0] = 1.4
    sensor.watch()
    assert len(bench.records) == count
    now_s[0] = 1.6
    sensor.watch()
    assert bench.records[-1]["fault"] == "device_lost"
    assert bench.records[-1]["t"] > bench.records[-2]["t"]


def test_a_carrier_that_never_comes_is_explained_once() -> None:
    bench = Bench(FakeCard(gain=0.0), FakeProbe(true_bandwidth_hz=15_900.0))
    bench.run(seconds=12.0)
    assert set(bench.faults()) == {"carrier_missing"}
    assert bench.probe.used == 1
    assert len(bench.warned) == 1
    assert "15.9 kHz" in bench.warned[0]
    # Before the probe the tone fades out, after it it plays again.
    assert bench.levels_played() == pytest.approx([0.1, 0.0, 0.1])


def test_a_carrier_that_came_once_is_not_probed_for() -> None:
    bench = Bench()
    bench.run(seconds=2.0)
    bench.card.gain = 0.0
    again = Bench(FakeCard())
    again.card.silent_from = None
    again.run(seconds=9.0)
    assert again.probe.used == 0


def test_auto_takes_the_carrier_and_the_level_that_were_found() -> None:
    bench = Bench(carrier_hz="auto", level_dbfs=-3.0)
    bench.run(seconds=4.0)
    assert bench.records[0]["carrier_hz"] == 19_000.0
    assert bench.records[0]["level_dbfs"] == -33.0
    assert bench.calibration.asked == [False]
    assert any("19000" in line for line in bench.said)


def test_a_level_that_was_found_is_never_above_the_ceiling() -> None:
    bench = Bench(calibration=FakeCalibration([(19_000.0, -1.0)]), carrier_hz="auto")
    bench.run(seconds=4.0)
    assert bench.records[0]["level_dbfs"] == -6.0


def test_what_has_drifted_is_found_anew_and_who_is_here_is_not_forgotten() -> None:
    calibration = FakeCalibration([(19_000.0, -33.0), (20_000.0, -30.0)], drifts_at_s=2.0)
    bench = Bench(FakeCard(gain=10.0), calibration=calibration, carrier_hz="auto")
    bench.run(seconds=6.0)
    assert calibration.asked == [False, True]
    first, second = bench.pipelines
    assert (first.made_with[0], second.made_with[0]) == (19_000.0, 20_000.0)
    assert second.restored == {"presence": True}
    assert bench.records[-1]["carrier_hz"] == 20_000.0
    assert any("another emitter: calibrating anew" in line for line in bench.said)


def test_a_calibration_that_fails_later_leaves_the_tone_as_it_was() -> None:
    calibration = FakeCalibration([(19_000.0, -33.0)], drifts_at_s=2.0)
    bench = Bench(FakeCard(gain=10.0), calibration=calibration, carrier_hz="auto")
    bench.run(seconds=6.0)
    assert calibration.asked == [False, True]
    assert bench.records[-1]["carrier_hz"] == 19_000.0
    assert len(bench.pipelines) == 1
    assert bench.warned == ["no tone came back; going on as before"]


def test_auto_without_any_carrier_ends_with_its_line() -> None:
    bench = Bench(calibration=FakeCalibration([]), carrier_hz="auto")
    with pytest.raises(NoctuleError, match="no tone came back"):
        bench.run()
    assert bench.card.closed == [True]


def test_whatever_the_output_raises_ends_the_run_gently() -> None:
    bench = Bench()

    def full(record: Record) -> None:
        raise NoctuleError("disk full")

    with pytest.raises(NoctuleError, match="disk full"):
        bench.sensor.run(full, 10.0)
    assert bench.card.closed == [True]


def test_a_carrier_above_the_band_is_one_clear_line() -> None:
    with pytest.raises(NoctuleError, match="does not fit a sample rate"):
        Bench(carrier_hz=30_000.0).run()


# The tone rests while it is known who is here


def by_emission(records: list[Record]) -> list[tuple[bool, list[Record]]]:
    """Stretches of records with the tone on, and off, one after the other."""
    return [(on, list(some)) for on, some in itertools.groupby(records, lambda record: record["emitting"])]


def test_without_the_gate_the_tone_is_never_off() -> None:
    bench = Bench()
    bench.run(seconds=8.0)
    assert {record["emitting"] for record in bench.records} == {True}
    assert bench.levels_played() == pytest.approx([0.1])
    assert not any("sounded" in line for line in bench.said)


def test_somebody_known_is_looked_at_now_and_then() -> None:
    bench = Bench(gate=GATE)
    bench.run(seconds=12.0)
    parts = by_emission(bench.records)
    assert [on for on, _ in parts[:6]] == [True, False] * 3
    for on, some in parts[1:-1]:
        lasted_s = some[-1]["t"] - some[0]["t"]
        # a look takes some more: the tone has to come back, and the first window to be filled
        assert lasted_s == pytest.approx(1.5 if on else 1.0, abs=0.2)
        assert {record["fault"] for record in some} == {None}
        assert {record["presence"] for record in some} == {True}
    assert bench.levels_played() == pytest.approx([0.1 * ((k + 1) % 2) for k in range(len(parts))])


def test_records_never_pause_in_silence_or_on_the_way_back() -> None:
    """At least 20 a second, whatever the gate does."""
    bench = Bench(gate=GATE)
    bench.run(seconds=12.0)
    steps_s = np.diff([record["t"] for record in bench.records])
    assert steps_s.min() > 0.0
    assert steps_s.max() <= 0.05
    silent = [record for record in bench.records if not record["emitting"]]
    assert {record["reason"] for record in silent} == {"silent"}
    left_s = bench.pipelines[0].left_s
    assert max(left_s) == pytest.approx(1.0, abs=0.05)
    assert min(left_s) == 0.0


def test_what_is_heard_in_silence_is_not_looked_at() -> None:
    """And each look hears the whole tone from its first block on, without another burst."""
    bench = Bench(FakeCard(delay_samples=9000, gain=0.5), gate=GATE)
    bench.run(seconds=12.0)
    (pipeline,) = bench.pipelines
    looks = 1 + sum(not on for on, _ in by_emission(bench.records)[:-1])
    assert pipeline.resets == 1  # the room is remembered
    assert pipeline.resumed == looks - 1 >= 2
    assert len([verb for verb, _ in bench.card.commands if verb == "play"]) == 1
    gaps = 0
    for before, block in itertools.pairwise(pipeline.blocks):
        gaps += block.first_sample > before.first_sample + len(before.samples)
    assert gaps == looks - 1
    for block in pipeline.blocks:
        n = block.first_sample + np.arange(len(block.samples)) - 9000
        expected = 0.5 * 0.1 * np.sin(2 * np.pi * ((n * int(CARRIER_HZ)) % RATE_HZ) / RATE_HZ)
        np.testing.assert_allclose(block.samples[:, 0], expected, atol=1e-4)


def test_records_and_the_last_line_say_how_much_was_emitted() -> None:
    bench = Bench(gate=GATE)
    bench.run(seconds=12.0)
    records = bench.records
    on_s = sum(b["t"] - a["t"] for a, b in itertools.pairwise(records) if b["emitting"])
    share = on_s / (records[-1]["t"] - records[0]["t"])
    assert records[-1]["emission_share"] == pytest.approx(share, abs=0.01)
    assert 0.5 < share < 0.7
    assert any(f"{100 * share:.0f} % of the time" in line for line in bench.said)


def test_an_empty_room_is_listened_to_all_the_time() -> None:
    bench = Bench(gate=GATE)

    def leave(record: Record) -> bool:
        bench.pipelines[0].presence = False
        return False

    bench.run(leave, seconds=8.0)
    assert {record["emitting"] for record in bench.records} == {True}


def test_a_device_that_is_lost_in_silence_is_waited_for_and_looked_through_again() -> None:
    bench = Bench(gate=GATE)
    card = bench.card
    back = threading.Event()

    def until(record: Record) -> bool:
        if not record["emitting"] and card.openings == 1 and card.closed_from is None:
            card.closed_from = len(card.played)  # now
        if record["fault"] == "device_lost":
            back.set()
        return card.openings == 2 and not record["emitting"] and record["fault"] is None

    def heal() -> None:
        if card.openings:
            assert back.wait(10.0)
            card.closed_from = None

    card.before_open = heal
    bench.run(until, seconds=None)
    assert bench.faults() == [None, "device_lost", None]
    last_lost = max(i for i, record in enumerate(bench.records) if record["fault"] == "device_lost")
    assert bench.records[last_lost + 1]["emitting"]  # a look comes first
    assert len([verb for verb, _ in card.commands if verb == "play"]) == 2  # the delay may be another


def test_a_worker_that_hangs_in_silence_is_a_lost_device() -> None:
    bench = Bench(gate=GATE)
    bench.run(until=lambda record: not record["emitting"], seconds=None)
    sensor = bench.sensor
    sensor._monotonic = lambda: sensor._last_record_s + 1.6
    sensor.state = State.SILENT
    sensor.watch()
    assert bench.records[-1]["fault"] == "device_lost"


def test_silence_ends_with_the_run() -> None:
    bench = Bench(gate=GATE.model_copy(update={"silent_s": 100.0}))
    bench.run(seconds=6.0)
    assert not bench.records[-1]["emitting"]
    assert 5.9 < bench.records[-1]["t"] <= 6.05
    assert bench.card.closed == [True]


# Muted


class Mutes:
    """Mutes when a record pleases, unmutes after some records that say so, and ends some records later."""

    def __init__(self, bench: Bench, when: Callable[[Record], bool] = lambda record: True) -> None:
        self.bench, self.when = bench, when
        self.done = False

    def __call__(self, record: Record) -> bool:
        sensor = self.bench.sensor
        muted = [one for one in self.bench.records if one["fault"] == "muted"]
        if len(muted) >= 4:
            self.done = True
            sensor.mute(False)
        elif not self.done and self.when(record):
            sensor.mute(True)
        return self.done and record["fault"] is None and record["reason"] != "silent"


@pytest.mark.parametrize("gate", [None, GATE])
def test_muted_nothing_sounds_and_nothing_is_heard_and_records_say_so(gate: GateSettings | None) -> None:
    bench = Bench(gate=gate)
    heard_while_muted: list[int] = []
    mutes = Mutes(bench, lambda record: gate is None or not record["emitting"])

    def until(record: Record) -> bool:
        if record["fault"] == "muted":
            heard_while_muted.append(len(bench.card.played))
        return mutes(record)

    bench.run(until, seconds=None)
    assert bench.faults() == [None, "muted", None]
    muted = [record for record in bench.records if record["fault"] == "muted"]
    assert {(r["motion"], r["emitting"], r["delay_s"]) for r in muted} == {("none", False, None)}
    assert len(set(heard_while_muted[:4])) == 1  # the card stood still
    assert bench.card.closed == [True, True]  # faded out at the mute and at the end
    assert bench.card.openings == 2
    assert bench.records[-1]["emitting"] is True
    times = [record["t"] for record in bench.records]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    (pipeline,) = bench.pipelines
    assert pipeline.resets >= 2
    assert not bench.sensor.muted


def test_a_device_that_is_gone_when_unmuted_is_waited_for() -> None:
    bench = Bench()
    bench.card.refuse = [None, "unplugged"]
    bench.run(Mutes(bench), seconds=None)
    assert bench.faults()[:2] == [None, "muted"]
    assert bench.faults()[-1] is None
    assert any("unplugged; waiting" in line for line in bench.warned)


def test_a_lost_device_that_is_muted_is_not_opened_when_it_returns() -> None:
    bench = Bench()
    card = bench.card
    card.closed_from = 3 * RATE_HZ
    tries = [0]

    def gone() -> None:
        if not card.openings:
            return
        tries[0] += 1
        if not bench.sensor.muted and tries[0] > 100:
            raise AssertionError
        if tries[0] < 3:
            raise NoctuleError("gone")
        card.closed_from = None

    card.before_open = gone
    tries_while_muted: list[int] = []

    def muted_enough(record: Record) -> bool:
        bench.sensor.mute(record["fault"] in ("device_lost", "muted"))
        if record["fault"] == "muted":
            tries_while_muted.append(tries[0])
        return len(tries_while_muted) >= 8

    bench.run(muted_enough, seconds=None)
    assert bench.faults() == [None, "device_lost", "muted"]
    assert len(set(tries_while_muted)) == 1
    assert card.openings == 1


def test_stop_and_seconds_end_a_muted_run() -> None:
    bench = Bench()

    def until(record: Record) -> bool:
        bench.sensor.mute(True)
        bench.card.clock_s += 0.5  # time goes by
        return False

    bench.run(until, seconds=20.0)
    assert bench.faults() == [None, "muted"]
    assert bench.card.openings == 1
    stopped = Bench()

    def mute_and_stop(record: Record) -> bool:
        stopped.sensor.mute(True)
        return bool(record["fault"] == "muted")

    stopped.run(mute_and_stop, seconds=None)
    assert stopped.faults() == [None, "muted"]


def test_muted_before_the_start_nothing_is_opened() -> None:
    bench = Bench()
    bench.sensor.mute(True)
    bench.sensor.stop()
    bench.run(seconds=None)
    assert bench.card.openings == 0
    assert not bench.records


@pytest.mark.parametrize(
    ("bandwidth_hz", "words"),
    [
        (23_900.0, ["up to 23.9 kHz at this rate", "default.clock.allowed-rates", "40 kHz"]),
        (45_000.0, ["45.0 kHz", "--carrier-hz auto"]),
        (0.0, ["muted", "doctor"]),
    ],
)
def test_the_verdict_names_the_bandwidth_and_the_fix(bandwidth_hz: float, words: list[str]) -> None:
    line = missing_carrier_verdict(40_000.0, bandwidth_hz, 96_000.0, "ALSA")
    assert "\n" not in line
    assert all(word in line for word in words)
