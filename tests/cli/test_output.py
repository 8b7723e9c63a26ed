"""JSON lines: what is written stays, whatever happened before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from noctule.cli._output import JsonLines, OutputError


def test_a_replay_writes_anew_and_a_sensor_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    for append, expected in ((False, [1]), (True, [1, 1]), (False, [1])):
        with JsonLines(path, append=append) as lines:
            lines.write({"t": 1})
        assert [json.loads(line)["t"] for line in path.read_text().splitlines()] == expected


def test_a_line_cut_short_by_a_kill_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"t": 1}\n{"t": 2, "pres')
    with JsonLines(path, append=True) as lines:
        lines.write({"t": 3})
    assert path.read_text().splitlines() == ['{"t": 1}', '{"t": 2, "pres', '{"t": 3}']


def test_each_record_is_there_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    with JsonLines(path) as lines:
        lines.write({"t": 1})
        assert path.read_text() == '{"t": 1}\n'


@pytest.mark.parametrize("path", ["/dev/full", "/nowhere/records.jsonl", "/"])
def test_what_cannot_be_written_is_one_line(path: str) -> None:
    with pytest.raises(OutputError, match=f"^{path}: cannot be written") as error, JsonLines(path) as lines:
        lines.write({"t": 1})
    assert "\n" not in str(error.value)


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"), JsonLines(tmp_path / "records.jsonl") as lines:
        lines.write({"t": float("nan")})
