"""The benchmark's scenes, a run from end to end, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from noctule.cli.evaluate import evaluate as command
from noctule.core.errors import NoctuleError
from noctule.core.frames import BasebandBlock
from noctule.core.settings import Settings
from noctule.lab import evaluate
from noctule.lab.baselines import RAW, STATISTICS, Operating, detector_factory
from noctule.lab.benchmark import FIRST_SEED, SETS, case
from noctule.lab.evaluate import Heard, Plan, evaluate_case, read_rows, run
from noctule.lab.metrics import events, truth_of
from noctule.lab.report import Findings, as_json, markdown, tables, write_report
from noctule.pipeline import SensingPipeline
from noctule.simulate.render import render
from noctule.simulate.truth import instants


@pytest.mark.parametrize("name", list(SETS))
def test_every_set_has_scenes_of_its_own_that_are_the_same_each_time(name: str) -> None:
    one, again, other = case(name, 1), case(name, 1), case(name, 4)
    assert one == again
    assert one.scene != other.scene
    assert one.scene.seed >= 2**50
    checked = case(name, 1, "validation")
    assert checked.scene.seed >= FIRST_SEED["validation"]
    assert checked.scene.room != one.scene.room


@pytest.mark.parametrize("name", [name for name, one in SETS.items() if one.negative])
def test_nobody_is_in_negative_scenes(name: str) -> None:
    timeline = instants(case(name, 2).scene, step_s=1.0)
    assert not any(one.presence or one.motion != "none" for one in timeline)


def test_causes_run_without_pause() -> None:
    for name in ("fan", "curtain", "pets", "vacuum", "ceiling_fan"):
        scene = case(name, 3).scene
        assert all(part.from_s == 0.0 and part.to_s is None for part in scene.mover)


@pytest.mark.parametrize("index", range(6))
def test_walks_begin_where_they_say_after_a_pause(index: int) -> None:
    """Index 0, 1, 2 are 1 m in each family, 3, 4, 5 are 2 m."""
    one = case("walks", index)
    found = events(truth_of(one.scene), "major")
    assert len(found) >= 3
    assert one.what == f"{1 + index // 3} m"
    assert found[0].range_m == pytest.approx(1 + index // 3, abs=0.35)


def test_the_pessimists_body_sends_back_what_it_says() -> None:
    """Mean over bodies on their way to the device: -20 dB at 1 m, give or take their speckle."""
    powers = []
    for index in range(24):
        person = case("walks", 3 * index).scene.person[0]
        mover = person.mover(np.random.default_rng(index))
        start_m = np.array([*person.start, 1.0])
        towards = start_m + 3.0 * np.array([*np.subtract(person.does[1].points[0], person.start), 0.0])
        strength = mover.scatterers(np.arange(3.5, 5.0, 0.05), towards).strength
        powers.append((strength**2).sum(1).mean())
    assert 10.0 * np.log10(np.mean(powers)) == pytest.approx(-20.0, abs=1.5)


def test_seated_scenes_have_small_motions_of_one_kind() -> None:
    one = case("seated", 0)
    truth = truth_of(one.scene)
    assert one.what == "telephone"
    assert len(events(truth, "minor")) >= 4
    assert (truth.most[truth.time_s > 15.0] < 2).all()


def test_a_set_that_is_not_there() -> None:
    with pytest.raises(NoctuleError, match="there is no set of scenes 'wolks'; there are walks, "):
        case("wolks", 0)


def test_prepared_features_give_what_the_chain_gives() -> None:
    """Two roads: features shared by all detectors, and the chain as replay runs it."""
    scene = case("cold_starts", 1).scene
    shared = Heard(scene, Settings()).decisions(detector_factory(Settings().model.name))
    rendered = render(scene)
    chain = SensingPipeline(
        Settings(),
        carrier_hz=scene.carrier_hz,
        channels=rendered.microphones,
        baseband_rate_hz=rendered.rate_hz,
    )
    samples = np.concatenate(list(rendered))
    assert shared == chain.process_baseband(BasebandBlock(samples, rendered.rate_hz, scene.carrier_hz, 0))


def test_a_row_holds_events_their_limit_and_what_each_detector_made_of_them() -> None:
    row = evaluate_case(case("cold_starts", 1), {"cfar": detector_factory("cfar")})
    (event,) = row["events"]
    assert event["kind"] == "major"
    assert event["onset_s"] == pytest.approx(2.0, abs=0.11)
    assert event["margin_db"] >= event["single_margin_db"] - 0.5
    assert 0.0 <= event["power_limit"] <= event["limit"] + 1e-3 <= 1.001
    found = row["detectors"]["cfar"]
    assert len(found["events"]) == 1
    assert sum(count for _, count in found["frames_none"]) > 20
    assert json.loads(json.dumps(row)) == row


def test_a_plan_asks_for_as_many_hours_as_it_says() -> None:
    plan = Plan(("cfar",), ("walks", "fan", "curtain"), 5, 1.0)
    asked = plan.cases()
    assert sum(name == "walks" for name, _ in asked) == 5
    assert sum(name == "fan" for name, _ in asked) == 15  # half an hour of two minutes each
    assert len(set(asked)) == len(asked)
    assert [name for name, _ in asked[:6]].count("curtain") >= 1  # in turn


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds from nowhere: their scenes take a minute."""
    fitted = dict.fromkeys(STATISTICS, Operating(1.0, 0.3, 2.0, 0.5))
    monkeypatch.setattr(evaluate, "fit_baselines", lambda workers, progress: fitted)


@pytest.mark.usefixtures("quick")
def test_a_run_goes_on_where_it_was_and_ends_in_a_report(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plan = Plan(("cfar", "energy"), ("cold_starts",), 2, 0.0)
    first = run(tmp_path, plan)
    assert [row["index"] for row in first] == [0, 1]
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"set": "cold_starts", "ind')  # cut off
    more = run(tmp_path, Plan(plan.detectors, ("cold_starts", "fan"), 3, 1.0 / 60.0))
    assert [row for row in more if row["index"] < 2 and row["set"] == "cold_starts"] == first
    assert len(more) == 4
    assert len(read_rows(tmp_path)) == 4
    with pytest.raises(NoctuleError, match="holds a run of cfar, energy"):
        run(tmp_path, Plan(("cfar",), ("fan",), 1, 0.0))

    page = write_report(tmp_path, more, "noctule evaluate")
    text = page.read_text()
    for picture in tmp_path.glob("*.png"):
        assert f"({picture.name})" in text
    assert {one.name for one in tmp_path.glob("*.png")} >= {"alarms.png", "reliability.png"}
    assert "| fan | 0.03 |" in text
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["detectors"] == ["cfar", "energy"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert command(tmp_path, ["cfar"], hours=0.0, scenes=1, chosen=["cold_starts"], workers=1) == 0
    assert "1 scenes, cfar" in capsys.readouterr().out
    assert "`noctule evaluate --model cfar --hours 0 --scenes 1 --set cold_starts`" in (
        tmp_path / "report.md"
    ).read_text(encoding="utf-8")
    with pytest.raises(NoctuleError, match="there is no set"):
        command(tmp_path, chosen=["nothing"])
    with pytest.raises(NoctuleError, match=r"model nothing|no model"):
        command(tmp_path / "other", ["nothing"], chosen=["cold_starts"])


@pytest.mark.slow
def test_two_processes_give_what_one_gives() -> None:
    wanted = [("cold_starts", n, "validation") for n in range(3)]
    alone = [sorted(one) for one in evaluate._pooled(evaluate._validate, wanted, 1, ())]
    together = [sorted(one) for one in evaluate._pooled(evaluate._validate, wanted, 2, ())]
    assert alone == together
    assert len(together) == 3


def rows_made_by_hand() -> list[evaluate.Row]:
    """One quiet walk in four scenes, found in three; an hour of a fan with two alarms."""

    def detector(found: bool | None, motion: int = 0) -> evaluate.Row:
        event = {
            "found": found,
            "noticed": found,
            "latency_s": 0.4,
            "walked_m": 0.1,
            "peak": 0.9 if found else 0.2,
        }
        alarm = {"idle_s": 3600.0, "motion": motion, "motion_s": 36.0, "empty_s": 3600.0, "presence": 0}
        return {
            "events": [event] if found is not None else [],
            "alarms": alarm | {"presence_s": 0.0, "blocked_s": 0.0},
            **{
                name: [[5, 10], [90, 3]]
                for name in ("windows_major", "windows_none", "frames_human", "frames_none")
            },
        }

    def row(name: str, index: int, found: bool | None, motion: int = 0) -> evaluate.Row:
        walk = {"kind": "major", "onset_s": 3.0, "stop_s": 5.0, "range_m": 3.0, "margin_db": 13.0 + index}
        walk |= {"single_margin_db": 10.0, "limit": 1.0, "power_limit": 0.9}
        return {
            "set": name, "index": index, "what": "fan" if name == "fan" else "3 m", "family": "20 kHz laptop",
            "duration_s": 3600.0, "events": [walk] if found is not None else [],
            "detectors": {"cfar": detector(found, motion)},
        }  # fmt: skip

    return [row("walks", n, n != 0) for n in range(4)] + [row("fan", 0, None, 2)]


def test_tables_from_rows_made_by_hand() -> None:
    found = Findings(rows_made_by_hand())
    made = {table["title"]: table for table in tables(found)}
    promised = {row[0]: row for row in made["What is promised"]["rows"]}
    assert promised["quiet walks with margin ≥ 12 dB"][2].value == 1.0  # the limit
    assert promised["quiet walks with margin ≥ 12 dB"][4].value == 0.75
    assert promised["causes below one an hour"][4] == "0 of 1"
    alarms = made["False alarms an hour, each cause running without pause"]["rows"]
    assert alarms[0] == ["fan", "1.00", "2 (0.24 to 7.2)"]
    by_range = made["Walks in quiet rooms by distance: 20 kHz laptop"]["rows"]
    assert by_range[0][:3] == ["2.5 to 3.5 m", "4", "14 dB"]
    page = markdown(found, [("det.png", "DET")], "noctule evaluate")
    assert "| 2.5 to 3.5 m | 4 | 14 dB | 100 % | 90 % | 75 % (" in page
    json.dumps(as_json(found))


def test_every_detection_table_has_the_limit() -> None:
    for table in tables(Findings(rows_made_by_hand())):
        if "events" in table["columns"]:
            assert "limit" in table["columns"]


def test_the_validation_scenes_cover_every_set_with_a_cause() -> None:
    sets = {name for name, _ in evaluate.VALIDATION}
    assert sets >= {name for name, one in SETS.items() if one.negative}
    assert RAW.major == 0.0


def test_statistics_of_a_validation_scene() -> None:
    found = evaluate._validate("cold_starts", 0, "validation")
    for name in STATISTICS:
        (values, true), (minor, _) = found[name]
        assert len(values) == len(true) >= len(minor) > 20
        assert true.any()
        assert not true.all()
