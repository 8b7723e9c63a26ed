"""The live loop on a card in memory: it decides, it survives losses, it never goes silently stale."""

from __future__ import annotations

import itertools
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
from noctule.core.settings import AudioSettings, EmitSettings, Settings
from noctule.service.runner import LiveSensor, State, missing_carrier_verdict

RATE_HZ = 48_000
CARRIER_HZ = 20_000.0
HOP_S = 0.04
Record = Mapping[str, Any]


def settings(**emit: Any) -> Settings:
    return Settings(
        audio=AudioSettings(sample_rate_hz=RATE_HZ, block_s=0.02, reopen_every_s=0.1),
        emit=EmitSettings(**{"carrier_hz": CARRIER_HZ, **emit}),
    )


class FakePipeline:
    """A frame each 40 ms; the carrier is there when the block is louder than its noise."""

    def __init__(self, carrier_hz: float, sample_rate_hz: float, channels: int) -> None:
        self.made_with = (carrier_hz, sample_rate_hz, channels)
        self.resets = 0
        self.blocks: list[AudioBlock] = []
        self.next_s: float | None = None

    def process(self, block: AudioBlock) -> list[Decision]:
        self.blocks.append(block)
        start_s, end_s = (
            sample / RATE_HZ for sample in (block.first_sample, block.first_sample + len(block.samples))
        )
        self.next_s = start_s + HOP_S if self.next_s is None else self.next_s
        decisions = []
        while self.next_s <= end_s + 1e-9:
            heard = np.abs(block.samples).max() > 1e-3
            decisions.append(self._decision(self.next_s, Fault(0) if heard else Fault.CARRIER_MISSING))
            self.next_s += HOP_S
        return decisions

    def reset(self) -> None:
        self.resets += 1
        self.next_s = None

    def unavailable(self, time_s: float, fault: Fault) -> Decision:
        return self._decision(time_s, fault)

    def _decision(self, time_s: float, fault: Fault) -> Decision:
        return Decision(time_s, True, "none", 0.0, 0.0, 0.0, self.made_with[0], 50.0, fault)


@dataclass
class FakeProbe:
    """Notes that it was used, and gives the verdict it was told."""

    true_bandwidth_hz: float = 23_900.0
    carrier_hz: float | None = 19_000.0
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

    def choose_carrier(self) -> float:
        if self.carrier_hz is None:
            raise NoctuleError("no tone came back")
        return self.carrier_hz

    def summary(self) -> str:
        return "true bandwidth 23.9 kHz"


class Bench:
    """A sensor with everything faked, and what came of it."""

    def __init__(self, card: FakeCard | None = None, probe: FakeProbe | None = None, **emit: Any) -> None:
        self.card = card or FakeCard()
        self.probe = probe or FakeProbe()
        self.records: list[Record] = []
        self.said: list[str] = []
        self.warned: list[str] = []
        self.pipelines: list[FakePipeline] = []
        tree = settings(**emit)
        self.stream = DuplexStream(tree.audio, self.card, self.card.monotonic)
        self.sensor = LiveSensor(
            tree,
            make_pipeline=self._make,
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


def test_auto_takes_the_carrier_that_the_probe_chose() -> None:
    bench = Bench(carrier_hz="auto", level_dbfs=-3.0)
    bench.run(seconds=4.0)
    assert bench.records[0]["carrier_hz"] == 19_000.0
    assert bench.probe.levels == [-6.0]  # never above the ceiling
    assert any("19000" in line for line in bench.said)


def test_auto_without_any_carrier_ends_with_its_line() -> None:
    bench = Bench(probe=FakeProbe(carrier_hz=None), carrier_hz="auto")
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
