"""`noctule routines`: check, dry run, run and test on the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Command

ROUTINES = """
home:
  {latitude: 52.52, longitude: 13.405, time_zone: Europe/Berlin,
   allow_commands: {yes: ["true"], no: ["false"]}}
routines:
- name: Evening
  when: {motion: detected, level: major}
  only_if: {between: [sunset, "23:00"], mqtt: {topic: home/alarm, is: off}}
  suppress_for: 5m
  then: [{command: yes}]
- name: Off
  when: {motion: not_detected, for: 10s}
  then: [{command: yes}, {command: no}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "evening.yaml"
    path.write_text(ROUTINES)
    return path


def records(*stretches: tuple[str, float], start_s: float = 0.0) -> str:
    """Two records a second from Monday 2026-11-30 19:42 in Berlin on; where presence is motion."""
    lines, t = [], start_s
    for motion, seconds in stretches:
        for _ in range(round(seconds * 2)):
            t += 0.5
            time = f"2026-11-30T18:{42 + int(t // 60):02d}:{t % 60:06.3f}Z"
            lines.append(
                {"t": t, "time": time, "motion": motion, "presence": motion != "none", "fault": None}
            )
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_check_says_what_is_in_a_file(file: Path, noctule: Command) -> None:
    done = noctule("routines", "check", file)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "Evening: run the command 'yes'"
    assert done.stdout.endswith("2 Routines, 1 warning\n")
    assert done.stderr == "noctule: warning: routine 'Evening': the state of a topic needs `mqtt` in `home`\n"


def test_check_says_what_is_wrong(file: Path, noctule: Command) -> None:
    file.write_text(ROUTINES.replace("suppress_for", "supress_for"))
    done = noctule("routines", "check", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"noctule: {file}: routine 'Evening': unknown key 'supress_for'; did you mean 'suppress_for'?\n"
    )


def test_a_dry_run_says_why(file: Path, noctule: Command) -> None:
    arguments = ("routines", "dry-run", file, "--at", "2026-11-30T19:30", "--motion", "major")
    done = noctule(*arguments, "--mqtt", "home/alarm=off")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "Evening: would run",
        "  yes  major motion",
        "  yes  19:30 is between sunset (15:56) and 23:00",
        "  yes  home/alarm is 'off'",
        "  yes  it has not run yet, not again for 5m",
        "  ->   run the command 'yes'",
        "Off: would not run",
        "  no   it waits for: no motion for 10s",
    ]
    assert "?    home/alarm has not been heard yet" in noctule(*arguments).stdout
    assert "no   12:00 is not between" in noctule("routines", "dry-run", file, "--at", "12:00").stdout
    assert "Off: would run" in noctule("routines", "dry-run", file, "--motion", "none").stdout


def test_run_reads_a_recorded_day(file: Path, noctule: Command, tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    day.write_text(records(("none", 6), ("major", 3), ("none", 20)))
    done = noctule("routines", "run", file, "--events", day)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "19:42:06 Evening: does not run: home/alarm has not been heard yet, 'off' is asked for (though "
        "major motion was detected; 19:42 is between sunset (15:56) and 23:00; it has not run yet, "
        "not again for 5m)",
        "19:42:19 Off: runs: no motion for 10s, since 19:42:09",
        *done.stdout.splitlines()[2:],
    ]
    assert [line[9:] for line in done.stdout.splitlines()[2:]] == [
        "Off: 1. command: ran 'yes'",
        "Off: 2. command: failed: false failed: status 1",
    ]


def test_run_goes_on_where_it_was_and_keeps_no_state_for_recorded_days(
    file: Path, noctule: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    runs = []
    comes, rests = (("none", 6.0), ("major", 3.0)), (("none", 12.0),)
    for stretches, start_s in ((comes, 0.0), (rests, 9.0), (rests, 30.0)):
        (tmp_path / "in").write_text(records(*stretches, start_s=start_s))
        with (tmp_path / "in").open() as source:
            monkeypatch.setattr("sys.stdin", source)
            done = noctule("routines", "run", file, "--jsonl", "-")
        assert done.returncode == 0
        runs.append([one["name"] for one in done.records if one.get("runs")])
    assert runs == [[], ["Off"], []]
    assert (tmp_path / "state" / "noctule" / "routines-evening.json").exists()
    (tmp_path / "state" / "noctule" / "routines-evening.json").write_text("{")
    assert "holds no snapshot; remove it" in noctule("routines", "run", file).stderr


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ("", 0, ""),
        ("\n\n", 0, ""),
        ("\xff\xfe\n", 2, "noctule: the records cannot be read ('utf-8' codec can't decode"),
        ("nonsense\n", 2, "noctule: no record of noctule run: 'nonsense'\n"),
        ('{"t": 1}\n', 2, "noctule: no record of noctule run"),
        # whoever wrote was killed in mid-line: not the reader's failure
        (records(("none", 1)) + '{"t": 2, "mo', 0, ""),
        (records(("none", 1)) + '{"t": 2, "mo\n', 2, "noctule: no record of noctule run"),
    ],
)
def test_records_that_are_none(
    file: Path, noctule: Command, tmp_path: Path, lines: str, status: int, words: str
) -> None:
    day = tmp_path / "day.jsonl"
    day.write_bytes(lines.encode("latin-1"))
    done = noctule("routines", "run", file, "--events", day)
    errors = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert (done.returncode, len(errors)) == (status, min(status, 1)), done.stderr
    assert words.strip() in done.stderr


def test_files_that_are_not_there(file: Path, noctule: Command, tmp_path: Path) -> None:
    for arguments in (
        ("check", tmp_path / "gone.yaml"),
        ("run", file, "--events", tmp_path / "gone.jsonl"),
        ("run", file, "--events", tmp_path),
        ("test", file, "Evning"),
        ("dry-run", file, "--at", "noon"),
        ("dry-run", file, "--at", "25:61"),
        ("dry-run", file, "--mqtt", "topic"),
    ):
        done = noctule("routines", *arguments)
        assert done.returncode == 2
        errors = [line for line in done.stderr.splitlines() if "warning" not in line]
        assert len(errors) == 1
        assert errors[0].startswith("noctule: ")


def test_the_test_button(file: Path, noctule: Command) -> None:
    done = noctule("routines", "test", file, "Evening")
    assert done.returncode == 0
    assert done.stdout[9:] == "Evening: 1. command: ran 'yes'\n"
    failed = noctule("routines", "test", file, "off")
    assert failed.returncode == 2
    assert "failed: false failed: status 1" in failed.stdout
    assert "did you mean 'Evening'?" in noctule("routines", "test", file, "Evning").stderr
