"""Actions one after the other: failures, time limits, modes, waits that outlive the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.routines.house import HandClock, Remembers, breathe, parsed, tools_of

from noctule.routines import Done, Engine, Runner, Sensed, Tick
from noctule.routines.state_file import StateFile

TWO = "- {name: r, when: {motion: detected}, then: [{mqtt: {topic: a}}, {mqtt: {topic: b}}]}"


@dataclass
class Stage:
    """A runner with a clock set by hand. `kept` is the last snapshot, as a file would hold it."""

    text: str
    clock: HandClock = field(default_factory=HandClock)
    does: Remembers = field(default_factory=Remembers)
    kept: Mapping[str, Any] | None = None
    said: list[str] = field(default_factory=list)
    home: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = parsed(self.text, **self.home)
        self.engine = Engine(found.routines, found.home, self.clock)
        if self.kept is not None:
            self.engine.restore(self.kept)
        self.runner = Runner(
            self.engine,
            tools_of(found.home, self.does),
            keep=self._keep,
            tell=lambda entry: self.said.append(entry.text[9:]),
        )

    def _keep(self, snapshot: Mapping[str, Any]) -> None:
        self.kept = json.loads(json.dumps(snapshot))

    async def motion(self) -> None:
        """New motion: quiet before, then somebody."""
        for _ in range(14):
            self.runner.handle(Sensed("none", True))
            self.clock.advance(0.5)
        self.runner.handle(Sensed("major", True))
        await breathe()

    async def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.runner.handle(Tick())
        await breathe()

    def killed(self, down_s: float) -> Stage:
        """Another process that knows what was kept."""
        return Stage(
            self.text, HandClock(self.clock.wall + down_s, 0.0), self.does, self.kept, self.said, self.home
        )


def play(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 10))


def test_actions_follow_each_other_and_the_log_says_so() -> None:
    async def scene() -> None:
        one = Stage(TWO)
        await one.motion()
        await one.runner.idle()
        assert one.does.did == ["a=", "b="]
        assert one.said == [
            "r: runs: motion was detected",
            "r: 1. mqtt: published nothing to a",
            "r: 2. mqtt: published nothing to b",
        ]
        assert one.engine.runs == []

    play(scene())


@pytest.mark.parametrize(("more", "follows"), [("", True), (", on_error: stop", False)])
def test_a_bad_action_stops_the_others_only_if_asked(more: str, follows: bool) -> None:
    async def scene() -> None:
        one = Stage(TWO.replace("{mqtt: {topic: a}}", "{command: x" + more + "}"))
        await one.motion()
        await one.runner.idle()
        assert one.does.did == ["b="] * follows
        assert one.said[1] == "r: 1. command: failed: the command 'x' is not allowed; allowed: none is"
        assert one.engine.runs == []

    play(scene())


def test_whatever_an_action_raises_is_a_line_of_the_log() -> None:
    class Breaks(Remembers):
        async def publish(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
            if topic == "a":
                raise ZeroDivisionError("by nothing")
            await super().publish(topic, payload, qos=qos, retain=retain)

    async def scene() -> None:
        one = Stage(TWO, does=Breaks())
        await one.motion()
        await one.runner.idle()
        assert one.said[1:] == [
            "r: 1. mqtt: failed: ZeroDivisionError: by nothing",
            "r: 2. mqtt: published nothing to b",
        ]

    play(scene())


def test_an_action_that_does_not_end_is_ended() -> None:
    async def scene() -> None:
        does = Remembers()
        does.silence = asyncio.Event().wait  # never
        one = Stage(
            '- {name: r, when: {motion: detected}, then: [{play: "http://a/b", timeout: 0.02s}]}', does=does
        )
        await one.motion()
        await one.runner.idle()
        assert one.said[1:] == ["r: 1. play: failed: not done within 0.02 s"]
        assert one.does.did == ["play http://a/b", "stopped"]

    play(scene())


def test_a_full_disk_or_a_broken_log_stops_nothing() -> None:
    def fails(_: object) -> None:
        raise OSError("no space left")

    async def scene() -> None:
        one = Stage(TWO)
        one.runner = Runner(one.engine, tools_of(parsed(TWO).home, one.does), keep=fails, tell=fails)
        await one.motion()
        await one.runner.idle()
        assert one.does.did == ["a=", "b="]

    play(scene())


PLAYS = (
    '- {name: r, when: {motion: detected}, mode: MODE, then: [{play: "http://a/b"}, {mqtt: {topic: end}}]}'
)


def test_restart_ends_the_sound_before_the_next_begins() -> None:
    async def scene() -> None:
        does = Remembers()
        done = asyncio.Event()
        does.silence = done.wait
        one = Stage(PLAYS.replace("MODE", "restart"), does=does)
        await one.motion()
        await one.motion()
        assert does.did == ["play http://a/b", "stopped", "play http://a/b"]
        done.set()
        await one.runner.idle()
        assert does.did[3:] == ["end="]

    play(scene())


def test_single_and_queued() -> None:
    async def scene(mode: str, expected: list[str]) -> None:
        does = Remembers()
        done = asyncio.Event()
        does.silence = done.wait
        one = Stage(PLAYS.replace("MODE", mode), does=does)
        await one.motion()
        await one.motion()
        assert does.did == ["play http://a/b"]
        done.set()
        await one.runner.idle()
        assert does.did == expected

    play(scene("single", ["play http://a/b", "end="]))
    play(scene("queued", ["play http://a/b", "end="] * 2))


WAITS = "- {name: r, when: {motion: detected}, then: [{mqtt: {topic: a}}, {wait: 10m}, {mqtt: {topic: b}}]}"


def test_waits_go_by_the_clock_that_is_handed_in() -> None:
    async def scene() -> None:
        one = Stage(WAITS)
        await one.motion()
        await one.after(599)
        assert one.does.did == ["a="]
        await one.after(2)
        assert one.does.did == ["a=", "b="]
        assert "r: 2. wait: waited 10m" in one.said

    play(scene())


def test_a_wait_goes_on_after_a_kill_and_nothing_is_done_twice() -> None:
    async def scene() -> None:
        one = Stage(WAITS)
        await one.motion()
        again = one.killed(down_s=500)
        again.runner.resume()
        await again.after(90)
        assert again.does.did == ["a="]
        await again.after(10)
        assert again.does.did == ["a=", "b="]
        third = again.killed(down_s=10)
        third.runner.resume()
        await third.after(3600)
        assert third.does.did == ["a=", "b="]
        for stage in (one, again, third):
            await stage.runner.close()

    play(scene())


def test_a_clock_that_is_set_does_not_touch_a_wait() -> None:
    async def scene() -> None:
        one = Stage(WAITS)
        await one.motion()
        one.clock.wall += 86400
        await one.after(599)
        assert one.does.did == ["a="]
        one.clock.wall -= 2 * 86400
        await one.after(2)
        assert one.does.did == ["a=", "b="]

    play(scene())


def test_killed_at_any_moment_no_action_is_done_twice() -> None:
    """The process ends after each snapshot in turn: what goes on from it repeats nothing that was begun."""

    async def scene() -> None:
        snapshots: list[Mapping[str, Any]] = []
        text = TWO.replace("{mqtt: {topic: b}}", "{mqtt: {topic: b}}, {mqtt: {topic: c}}")
        one = Stage(text)
        publish = one.does.publish

        async def noting(*args: Any, **options: Any) -> None:
            assert one.kept is not None
            snapshots.append(one.kept)
            await publish(*args, **options)

        one.does.publish = noting  # type: ignore[method-assign]
        await one.motion()
        await one.runner.idle()
        assert len(snapshots) == 3
        for begun, kept in enumerate(snapshots, 1):
            again = Stage(text, HandClock(one.clock.wall + 1, 0.0), kept=kept)
            again.runner.resume()
            await again.runner.idle()
            assert again.does.did == ["a=", "b=", "c="][begun:]

    play(scene())


def test_queued_runs_outlive_a_kill() -> None:
    async def scene() -> None:
        one = Stage(WAITS.replace("then", "mode: queued, then"))
        await one.motion()
        await one.motion()
        again = one.killed(down_s=600)
        again.runner.resume()
        await breathe()
        await again.after(600)
        await again.runner.idle()
        assert again.does.did == ["a=", "b=", "a=", "b="]
        await one.runner.close()

    play(scene())


def test_routines_that_are_gone_end() -> None:
    async def scene() -> None:
        does = Remembers()
        does.silence = asyncio.Event().wait
        one = Stage(PLAYS.replace("MODE", "single"), does=does)
        await one.motion()
        one.runner.set_routines([])
        await one.runner.idle()
        assert does.did == ["play http://a/b", "stopped"]

    play(scene())


def test_the_test_button_asks_nothing_and_leaves_no_trace() -> None:
    async def scene() -> None:
        one = Stage(TWO.replace("then", "suppress_for: 5m, only_if: {between: ['03:00', '03:01']}, then"))
        before = one.engine.snapshot()
        done = await one.runner.test(one.engine.routines["r"])
        assert [(each.ok, each.what) for each in done] == [
            (True, "published nothing to a"),
            (True, "published nothing to b"),
        ]
        assert one.engine.snapshot() == before
        assert one.kept is None
        assert isinstance(done[0], Done)
        assert done[0].as_record()["action"] == "mqtt"

    play(scene())


def test_motion_is_kept_once_a_second(tmp_path: Path) -> None:
    """Killed in the middle of motion, at most a second of it is lost."""
    one = Stage(TWO)
    one.runner.handle(Sensed("none", True))
    for _ in range(100):
        one.clock.advance(0.05)
        one.engine.handle(Sensed("major", True))
        one.runner.handle(Sensed("none", False))
        assert one.kept is not None
        assert one.clock.wall - one.kept["now_s"] <= 1.0


# -- the file


def test_the_state_file_is_whole_and_written_only_for_news(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "deep" / "state.json")
    assert file.read() is None
    file.write({"now_s": 1.0, "runs": []})
    assert file.read() == {"now_s": 1.0, "runs": []}
    file.write({"now_s": 2.0, "runs": []})
    assert file.read() == {"now_s": 1.0, "runs": []}
    file.write({"now_s": 3.0, "runs": [1]})
    assert file.read() == {"now_s": 3.0, "runs": [1]}
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["state.json"]
