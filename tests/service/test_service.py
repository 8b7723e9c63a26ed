"""The running product: settings change, sensors follow each other, and nobody notices a gap."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.running import Running

from noctule.calibrate.calibration import Calibration
from noctule.core.errors import NoctuleError
from noctule.core.settings import load_settings
from noctule.service.bus import Message, Row
from noctule.service.presence_file import FILE as PRESENCE_FILE

SLEEPY: dict[str, Any] = {"presence": {"trigger_sensitivity": 0.5, "on_latency_s": 0.2}}


def times(records: list[dict[str, Any]]) -> list[float]:
    return [record["t"] for record in records]


def longest_gap_s(records: list[dict[str, Any]]) -> float:
    return max(b - a for a, b in itertools.pairwise(times(records)))


def start_listening(bench: Running, *kinds: Any) -> list[Message]:
    """All messages of these kinds from now on."""
    heard: list[Message] = []

    async def listen() -> None:
        with bench.service.bus.subscribe(*kinds, most=10_000) as subscription:
            async for message in subscription:
                heard.append(message)  # noqa: PERF401 - as they come

    bench.call(bench.service._house.begin, listen())
    return heard


def test_presence_settings_reach_the_tracker_without_a_gap(tmp_path: Path) -> None:
    bench = Running(tmp_path, SLEEPY)
    with bench.running() as service:
        bench.eyes.major = 0.4  # motion at a sensitivity of 0.6 and more
        assert not any(record["presence"] for record in bench.more(60))
        start = len(bench.records) - 10
        changed = bench.call(service.change_settings, {"presence": {"trigger_sensitivity": 0.7}})
        assert (changed.restarted, changed.at_next_start) == (False, ())
        bench.until(lambda: bench.records[-1]["presence"])
    assert len(bench.cards) == 1
    assert longest_gap_s(bench.records[start:]) < 0.06
    assert load_settings(tmp_path / "noctule.toml", environment={}).presence.trigger_sensitivity == 0.7


def test_another_sensor_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    bench = Running(tmp_path, SLEEPY)
    with bench.running() as service:
        bench.eyes.major = 0.9
        bench.until(lambda: bench.records[-1]["presence"])
        bench.eyes.major = 0.0
        changed = bench.call(service.change_settings, {"emit": {"level_dbfs": -30.0}})
        assert changed.restarted
        bench.until(lambda: bench.records[-1]["level_dbfs"] == -30.0 and bench.records[-1]["emitting"])
    assert len(bench.cards) == 2
    assert bench.cards[0].closed == [True]  # gently
    became = next(i for i, record in enumerate(bench.records) if record["presence"])
    assert all(record["presence"] for record in bench.records[became:])
    assert all(a < b for a, b in itertools.pairwise(times(bench.records)))
    assert {record["fault"] for record in bench.records[became:]} == {None}
    assert any("starts anew" in record["reason"] for record in bench.records)
    assert {record["time"][:4] for record in bench.records} == {bench.records[0]["time"][:4]}  # no 1970


def test_settings_that_changed_before_hold_for_the_sensors_to_come(tmp_path: Path) -> None:
    bench = Running(tmp_path, SLEEPY)
    with bench.running() as service:
        bench.eyes.major = 0.4
        bench.call(service.change_settings, {"emit": {"level_dbfs": -30.0}})
        bench.until(lambda: bench.records[-1]["level_dbfs"] == -30.0 and bench.records[-1]["emitting"])
        bench.call(service.change_settings, {"presence": {"trigger_sensitivity": 0.7}})
        bench.refuse = ["no such device"]
        bench.call(service.change_settings, {"audio": {"input": "gone"}})
        bench.until(lambda: len(bench.cards) == 4 and bench.records[-1]["emitting"])
        bench.until(lambda: bench.records[-1]["presence"])
        assert service.settings.presence.trigger_sensitivity == 0.7


def test_a_device_that_cannot_be_opened_gives_way_to_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "noctule.toml").write_text("[audio]\n# the good one\ninput = 'mic'\n")
    bench = Running(tmp_path, {"audio": {"sample_rate_hz": 48000, "input": "mic"}})
    with bench.running() as service:
        heard = start_listening(bench, "settings")
        bench.refuse = ["there is no input like 'gone'"]
        bench.call(service.change_settings, {"audio": {"input": "gone"}})
        bench.until(lambda: len(heard) == 2)
        bench.until(lambda: len(bench.cards) == 3 and bench.records[-1]["emitting"])
        assert service.settings.audio.input == "mic"
        bench.more()
    assert bench.failure is None
    assert [message.body for message in heard] == [
        {"audio": {"input": "gone"}},
        {"audio": {"input": "mic"}, "error": "there is no input like 'gone'"},
    ]
    assert any("gone" in line and "back" in line for line in bench.said)
    text = (tmp_path / "noctule.toml").read_text()
    assert "# the good one" in text
    assert load_settings(tmp_path / "noctule.toml", environment={}).audio.input == "mic"
    assert all(a < b for a, b in itertools.pairwise(times(bench.records)))


def test_where_nothing_can_be_opened_any_more_it_is_waited_for(tmp_path: Path) -> None:
    bench = Running(tmp_path)
    bench.service._sensors._retry_s = 0.3
    with bench.running() as service:
        bench.refuse = ["gone", "busy", "still busy"]
        bench.call(service.change_settings, {"audio": {"input": "gone"}})
        bench.until(lambda: any(record["fault"] == "device_lost" for record in bench.records))
        bench.until(lambda: len(bench.cards) == 5 and bench.records[-1]["emitting"])
    assert bench.failure is None
    assert len([line for line in bench.said if "trying again" in line]) == 1


def test_a_device_that_fails_at_the_very_first_start_ends_it(tmp_path: Path) -> None:
    bench = Running(tmp_path)
    bench.refuse = ["no sound card"]
    with bench.running(first=False):
        bench.until_it_ends()
    assert isinstance(bench.failure, NoctuleError)
    assert str(bench.failure) == "no sound card"


def test_what_a_sink_raises_ends_it_even_amid_a_change(tmp_path: Path) -> None:
    bench = Running(tmp_path)

    def full(record: Any) -> None:
        if len(bench.cards) > 1:
            raise OSError("the disk is full")

    with bench.running() as service:
        service._intake.sinks.append(full)
        bench.call(service.change_settings, {"emit": {"level_dbfs": -30.0}})
        bench.until_it_ends()
    assert isinstance(bench.failure, OSError)


def test_another_room_begins_with_nobody(tmp_path: Path) -> None:
    bench = Running(tmp_path, SLEEPY)
    with bench.running() as service:
        bench.eyes.major = 0.9
        bench.until(lambda: bench.records[-1]["presence"])
        bench.eyes.major = 0.0
        service.restart(forget=True)
        bench.until(lambda: len(bench.cards) == 2 and not bench.records[-1]["presence"])
    assert all(a < b for a, b in itertools.pairwise(times(bench.records)))
    assert not (tmp_path / "noctule.toml").exists()


def test_mute_holds_for_the_next_sensor(tmp_path: Path) -> None:
    bench = Running(tmp_path)
    with bench.running() as service:
        service.mute(True)
        bench.until(lambda: bench.records[-1]["fault"] == "muted")
        bench.call(service.change_settings, {"emit": {"level_dbfs": -30.0}})
        bench.until(lambda: len(bench.cards) == 2)
        assert {record["fault"] for record in bench.more(20)} == {"muted"}
        assert bench.cards[1].openings == 0
        service.mute(False)
        bench.until(lambda: bench.records[-1]["emitting"])


# -- changes that are refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"presence": {"trigger_sensitivity": 2.0}}, "trigger_sensitivity"),
        ({"presence": {"sensitivity": 0.5}}, "did you mean"),
        ({"web": {"host": "0.0.0.0"}}, "noctule password"),
        ({"model": {"detector": "network", "name": "nobody"}}, "nobody"),
    ],
)
def test_a_change_that_cannot_be_is_one_line_and_changes_nothing(
    tmp_path: Path, changes: Any, words: str
) -> None:
    bench = Running(tmp_path)
    with bench.running() as service:
        heard = start_listening(bench, "settings")
        with pytest.raises(NoctuleError, match=words) as error:
            bench.call(service.change_settings, changes)
        assert "\n" not in str(error.value)
        bench.more()
        assert service.settings == bench.settings
        assert heard == []
    assert len(bench.cards) == 1
    assert not (tmp_path / "noctule.toml").exists()


def test_a_full_disk_refuses_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Running(tmp_path)
    with bench.running() as service:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(NoctuleError, match="no space left"):
                bench.call(service.change_settings, {"emit": {"level_dbfs": -30.0}})
        bench.more()
        assert service.settings == bench.settings
    assert len(bench.cards) == 1


def test_what_the_environment_says_can_only_be_changed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOCTULE_PRESENCE__HOLD_S", "3")
    bench = Running(tmp_path)
    with bench.running() as service, pytest.raises(NoctuleError, match="NOCTULE_PRESENCE__HOLD_S"):
        bench.call(service.change_settings, {"presence": {"hold_s": 4.0}})


def test_changes_are_kept_in_the_history_and_secrets_are_not_told(tmp_path: Path) -> None:
    bench = Running(tmp_path)
    with bench.running() as service:
        heard = start_listening(bench, "settings")
        changes = {"store": {"events_keep_days": 30.0}, "web": {"password_hash": "$argon2id$x", "port": 9000}}
        changed = bench.call(service.change_settings, changes)
        assert set(changed.at_next_start) == {"store.events_keep_days", "web.port"}
        assert not changed.restarted
        bench.until(lambda: heard)
    assert heard[0].body["web"] == {"password_hash": "***", "port": 9000}
    assert service.memory is not None
    kept = {row["setting"]: row["after"] for row in service.memory.history.settings()}
    assert kept["store.events_keep_days"] == "30.0"
    assert "argon2" not in kept["web.password_hash"]
    assert service.settings.web.password_hash == "$argon2id$x"  # whoever asks at the door knows it at once


# -- what is told


def test_records_rows_and_events_are_told(tmp_path: Path) -> None:
    bench = Running(tmp_path, SLEEPY)
    with bench.running():
        heard = start_listening(bench, "record", "row", "event", "health")
        bench.eyes.major = 0.9
        bench.until(lambda: any(message.kind == "event" for message in heard))
        bench.more()
    rows = [message.body for message in heard if message.kind == "row"]
    records = {message.body["t"] for message in heard if message.kind == "record"}
    assert rows
    assert all(isinstance(row, Row) and len(row.power) == 241 for row in rows)
    assert sum(round(row.time_s, 4) in records for row in rows) > 0.8 * len(rows)
    event = next(message.body for message in heard if message.kind == "event")
    assert event["kind"] in ("entered", "major")
    assert event["start"].endswith("Z")


def test_the_loop_is_woken_once_for_a_record_and_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time costs a system call, and a change of threads."""
    bench = Running(tmp_path)
    with bench.running() as service:
        bench.more()
        calls: list[str] = []
        once = service.loop.call_soon_threadsafe

        def counted(*what: Any, **context: Any) -> Any:
            calls.append(threading.current_thread().name)
            return once(*what, **context)

        monkeypatch.setattr(service.loop, "call_soon_threadsafe", counted)
        start = len(bench.records)
        bench.more(100)
        woken, came = calls.count("sensing"), len(bench.records) - start
    assert abs(woken - came) <= 2


def test_without_a_store_events_and_health_are_told_all_the_same(tmp_path: Path) -> None:
    bench = Running(tmp_path, {**SLEEPY, "store": {"enabled": False}})
    with bench.running() as service:
        assert service.memory is None
        heard = start_listening(bench, "event")
        bench.eyes.major = 0.9
        bench.until(lambda: heard)
        bench.until(lambda: (service.bus.latest("health") or {}).get("sensing"))
        with pytest.raises(NoctuleError, match="nothing is remembered"):
            bench.asked(service.label(1, "fan"))
    assert not (tmp_path / "history.sqlite").exists()


def test_events_get_labels(tmp_path: Path) -> None:
    bench = Running(tmp_path, SLEEPY)
    with bench.running() as service:
        assert service.memory is not None
        bench.eyes.major = 0.9
        bench.until(lambda: service.memory and service.memory.history.events())
        number = service.memory.history.events()[0]["id"]
        bench.asked(service.label(number, "fan"))
        assert service.memory.history.events(event_id=number)[0]["label"] == "fan"
        with pytest.raises(NoctuleError, match="no event 999"):
            bench.asked(service.label(999, "fan"))


def test_the_stage_of_the_demo_is_told(tmp_path: Path) -> None:
    class Stage:
        def state(self) -> dict[str, Any]:
            return {"lamp": True}

    bench = Running(tmp_path, stage=Stage())
    with bench.running() as service:
        bench.until(lambda: service.bus.latest("stage") == {"lamp": True})


# -- a calibration while it runs


def test_a_calibration_pauses_sensing_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Running(tmp_path, SLEEPY)
    found = _calibration()

    def sweep(card: Any, settings: Any, *, progress: Any, **rest: Any) -> Any:
        progress("sweep", 0.0)
        card.play_and_record(np.zeros(4800, np.float32))
        progress("sweep", 1.0)
        bench.more(5)  # records come meanwhile
        progress("prove", 1.0)
        return found

    monkeypatch.setattr("noctule.calibrate.calibration.calibrate", sweep)
    with bench.running() as service:
        bench.eyes.major = 0.9
        bench.until(lambda: bench.records[-1]["presence"])
        heard = start_listening(bench, "calibration")
        start = len(bench.records)
        assert bench.asked(service.calibrate()) == found
        bench.until(lambda: bench.records[-1]["emitting"])
        assert bench.call(service.calibration) == found
        bench.until(lambda: heard and not heard[-1].body["running"])
        meanwhile = bench.records[start:]
    assert all(record["presence"] for record in meanwhile)
    assert {record["fault"] for record in meanwhile} == {None}
    assert any("a calibration is under way" in record["reason"] for record in meanwhile)
    shares = [message.body["share"] for message in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert heard[-1].body["error"] is None


def test_a_calibration_that_fails_says_why_and_sensing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Running(tmp_path)

    def sweep(*_: Any, **__: Any) -> Any:
        raise NoctuleError("no microphone hears the loudspeaker")

    monkeypatch.setattr("noctule.calibrate.calibration.calibrate", sweep)
    with bench.running() as service:
        with pytest.raises(NoctuleError, match="no microphone"):
            bench.asked(service.calibrate())
        bench.until(lambda: service.bus.latest("calibration") is not None)
        assert service.bus.latest("calibration") == {
            "running": False,
            "step": "",
            "share": 0.0,
            "error": "no microphone hears the loudspeaker",
        }
        bench.until(lambda: bench.records[-1]["emitting"])


def test_only_one_has_the_card_and_no_change_of_settings_takes_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Running(tmp_path)
    ready: list[bool] = []

    def sweep(*_: Any, **__: Any) -> Any:
        bench.until(lambda: ready)
        return _calibration()

    monkeypatch.setattr("noctule.calibrate.calibration.calibrate", sweep)
    with bench.running() as service:
        first = asyncio.run_coroutine_threadsafe(service.calibrate(), service.loop)
        bench.until(lambda: service._card.busy)
        with pytest.raises(NoctuleError, match="a calibration is under way"):
            bench.asked(service.examine())
        with pytest.raises(NoctuleError, match="a calibration is under way"):
            bench.call(service.change_settings, {"emit": {"level_dbfs": -30.0}})
        bench.call(service.change_settings, {"presence": {"hold_s": 4.0}})
        ready.append(True)
        first.result(30.0)
        bench.until(lambda: not service._card.busy)


def test_nothing_sounds_while_it_is_muted(tmp_path: Path) -> None:
    bench = Running(tmp_path)
    with bench.running() as service:
        service.mute(True)
        bench.until(lambda: bench.records[-1]["fault"] == "muted")
        with pytest.raises(NoctuleError, match="muted"):
            bench.asked(service.calibrate())
        assert service.loudspeaker() is None


# -- over a kill


def test_who_was_here_is_known_after_a_restart(tmp_path: Path) -> None:
    first = Running(tmp_path, SLEEPY)
    with first.running():
        first.eyes.major = 0.9
        first.until(lambda: first.records[-1]["presence"])
        first.until(lambda: _kept_presence(tmp_path))
    second = Running(tmp_path, SLEEPY)
    with second.running():
        assert second.records[0]["presence"]
    told = json.loads((tmp_path / PRESENCE_FILE).read_text())
    (tmp_path / PRESENCE_FILE).write_text(json.dumps({**told, "at": time.time() - 61.0}))
    third = Running(tmp_path, SLEEPY)
    with third.running():
        assert not third.records[0]["presence"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": 1}', '{"at": %f, "tracker": {"nonsense": 1}}'])
def test_a_presence_file_that_is_none_does_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / PRESENCE_FILE).write_text(text % time.time() if "%" in text else text)
    bench = Running(tmp_path)
    with bench.running():
        assert not bench.records[0]["presence"]


def _kept_presence(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / PRESENCE_FILE).read_text())["tracker"]["presence"])
    except OSError:
        return False


def _calibration() -> Calibration:
    return Calibration(
        made_at=datetime.now(UTC),
        input="fake in",
        output="fake out",
        sample_rate_hz=48000.0,
        carrier_hz=21000.0,
        level_dbfs=-30.0,
        carrier_level_dbfs=-40.0,
        carrier_snr_db=50.0,
        wanted_range_m=4.0,
        walk_range_m=4.5,
        small_range_m=2.0,
        true_bandwidth_hz=23000.0,
        interferers_hz=(),
        microphones=(0, 1),
        clutter_db=-20.0,
        bent_db=-60.0,
        delay_s=0.03,
        moved_meanwhile=False,
        hz=(),
        response_db=(),
        noise_dbfs=(),
        reasons=("because",),
    )
