"""Every operation of the API, when all is well and when it is not."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from tests.web.browser import Served
from tests.web.house import calibration, moving, record

from noctule.calibrate.doctor import Check, Diagnosis
from noctule.core.power import LOWEST_DB, STEP_DB
from noctule.routines.engine import SETTLES_S

LAMP = {
    "name": "Lamp",
    "when": {"motion": "detected"},
    "then": [{"mqtt": {"topic": "lamp", "payload": "ON"}}],
}


def detail(answer: httpx.Response, status: int) -> str:
    """A refusal says why in one line."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["detail"]
    assert said["detail"]
    assert "\n" not in said["detail"]
    return str(said["detail"])


def wait_for(what: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


# -- the sensor


def test_state_says_who_is_here_and_why(home: Served, api: httpx.Client) -> None:
    home.house.say(moving(0.0))
    said = wait_for(lambda: (now := api.get("/state").json())["record"]["presence"] and now)
    assert said["answer"] == {
        "mood": "present",
        "words": "Somebody is here",
        "more": "major motion at 0.7 m/s towards the sensor",
    }
    assert said["record"]["radial_velocity_mps"] == 0.7
    assert said["emission"] == {"emitting": True, "level_dbfs": -20.0, "share_of_last_hour": 0.83}
    assert (said["muted"], said["calibration"], said["model"]) == (False, None, "cfar")
    home.house.say(record(0.0))
    wait_for(lambda: api.get("/state").json()["answer"]["words"] == "Nobody")


def test_mute_holds_until_it_is_taken_back(home: Served, api: httpx.Client) -> None:
    assert api.post("/mute", json={"on": True}).json() == {"muted": True}
    assert api.get("/state").json()["answer"]["words"] == "Muted"
    assert api.post("/mute", json={"on": False}).json() == {"muted": False}
    assert "on" in detail(api.post("/mute", json={}), 422)
    assert home.house.muted is False


def test_health_is_a_word_for_strangers_and_a_story_for_users(home: Served, api: httpx.Client) -> None:
    well = wait_for(lambda: (got := httpx.get(f"{home.url}/health")).status_code == 200 and got)
    assert set(well.json()) == {"state"}
    home.house.say(record(0.0, fault="device_lost", reason="the sound card is away"))
    wait_for(lambda: httpx.get(f"{home.url}/health").status_code == 503)
    assert api.get("/state").json()["answer"]["words"] == "Cannot sense"
    told = wait_for(lambda: (got := api.get("/health").json())["changes"] and got)
    assert told["sensing"] is False
    home.house.say(record(0.0))
    wait_for(lambda: httpx.get(f"{home.url}/health").status_code == 200)


def test_muted_on_purpose_is_no_failure(home: Served, api: httpx.Client) -> None:
    api.post("/mute", json={"on": True})
    try:
        wait_for(lambda: not api.get("/health").json()["sensing"])
        assert httpx.get(f"{home.url}/health").status_code == 200
    finally:
        api.post("/mute", json={"on": False})


# -- settings


def test_settings_change_and_are_written_down(home: Served, api: httpx.Client) -> None:
    said = api.patch("/settings", json={"presence": {"off_latency_s": 25}}).json()
    assert said["settings"]["presence"]["off_latency_s"] == 25
    assert (said["restarted"], said["at_next_start"]) == (False, [])
    assert "off_latency_s = 25" in home.house.settings_path.read_text()
    back = api.patch("/settings", json={"presence": {"off_latency_s": None}}).json()
    assert back["settings"]["presence"]["off_latency_s"] == 10
    assert api.patch("/settings", json={"store": {"largest_mb": 300}}).json()["at_next_start"] == [
        "store.largest_mb"
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"presence": {"off_latency_s": 1}}, "presence.off_latency_s"),
        ({"presence": {"of_latency_s": 20}}, "did you mean 'presence.off_latency_s'"),
        ({"presense": {"hold_s": 2}}, "did you mean 'presence"),
        ({"presence": 3}, "presence"),
        ({"web": {"host": "0.0.0.0"}}, "noctule password"),
    ],
)
def test_what_settings_cannot_be_changes_nothing(api: httpx.Client, change: Any, named: str) -> None:
    before = api.get("/settings").json()
    assert named in detail(api.patch("/settings", json=change), 422)
    assert api.get("/settings").json() == before


def test_a_token_does_not_change_the_password(api: httpx.Client) -> None:
    assert "noctule password" in detail(api.patch("/settings", json={"web": {"password_hash": None}}), 403)


def test_presets_come_with_what_was_measured(home: Served, api: httpx.Client) -> None:
    assert api.get("/presets").json() == {"presets": [], "default": None, "present": None}
    assert api.patch("/settings", json={"model": {"detector": "network"}}).json()["restarted"] is True
    found = api.get("/presets").json()
    assert [one["name"] for one in found["presets"]] == [
        "Slightly sensitive",
        "Moderately sensitive",
        "Very sensitive",
    ]
    rates = [one["false_alarms_per_day"] for one in found["presets"]]
    assert rates == sorted(rates)
    assert found["present"] == "Moderately sensitive"
    api.patch("/settings", json={"presence": {"trigger_sensitivity": 0.25}})
    assert api.get("/presets").json()["present"] == "Slightly sensitive"
    api.patch("/settings", json={"presence": {"trigger_sensitivity": None}, "model": {"detector": "cfar"}})


# -- hardware


def test_calibration_is_read_and_made(home: Served, api: httpx.Client) -> None:
    assert "not calibrated" in detail(api.get("/calibration"), 404)
    assert detail(api.get("/calibration.svg"), 404)
    assert "not now" in detail(api.post("/calibrate"), 409)
    home.house.found = calibration()
    try:
        assert api.post("/calibrate").json()["carrier_hz"] == home.house.found.carrier_hz
        assert api.get("/calibration").json()["reasons"] == list(home.house.found.reasons)
        picture = api.get("/calibration.svg")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.text.startswith("<svg")
        assert "walks are found to" in api.get("/state").json()["calibration"]["verdict"]
    finally:
        home.house.found = None


def test_examination_says_what_is_wrong(home: Served, api: httpx.Client) -> None:
    assert "not now" in detail(api.post("/examine"), 409)
    home.house.diagnosis = Diagnosis(
        (Check("gain", "fail", "it is gone", "turn it up"),), 38400.0, 42e3, (60.0,)
    )
    try:
        said = api.post("/examine").json()
    finally:
        home.house.diagnosis = None
    assert (said["status"], said["sensing_possible"]) == ("fail", False)
    assert said["checks"][0]["fix"] == "turn it up"


def test_devices_are_listed(api: httpx.Client) -> None:
    said = api.get("/devices").json()
    assert said["default_input"]["name"] == "Paper"
    assert said["devices"][0]["input_channels"] == 4


# -- the past


@pytest.fixture(scope="module")
def event(home: Served) -> dict[str, Any]:
    found: dict[str, Any] = home.house.walk_past()
    return found


def test_events_are_found_by_when_they_were(api: httpx.Client, event: dict[str, Any]) -> None:
    start = datetime.fromisoformat(event["start"])
    assert event["id"] in [one["id"] for one in api.get("/events").json()]
    later = {"since": (start + timedelta(days=1)).isoformat()}
    assert api.get("/events", params=later).json() == []
    assert api.get("/events", params={"until": (start - timedelta(days=1)).isoformat()}).json() == []
    assert len(api.get("/events", params={"limit": 1}).json()) == 1
    one = api.get(f"/events/{event['id']}").json()
    assert (one["kind"], one["reason"]) == ("entered", event["reason"])


@pytest.mark.parametrize(
    "query", [{"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"limit": 0}, {"limit": "all"}]
)
def test_what_no_moment_is_gets_refused(api: httpx.Client, query: dict[str, Any]) -> None:
    assert next(iter(query)) in detail(api.get("/events", params=query), 422)
    assert next(iter(query)) in detail(api.get("/decisions", params=query), 422)


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "1e3", "..%2f1"])
def test_what_no_number_is_gets_refused(api: httpx.Client, number: str) -> None:
    assert api.get(f"/events/{number}").status_code in (404, 422)


def test_an_event_that_is_not_there(api: httpx.Client) -> None:
    assert "no event 987654" in detail(api.get("/events/987654"), 404)
    assert detail(api.put("/events/987654/label", json={"what": "fan"}), 404)
    assert detail(api.get("/events/987654/capture"), 404)


def test_the_last_label_counts(api: httpx.Client, event: dict[str, Any]) -> None:
    for what in ("fan", "pet"):
        assert api.put(f"/events/{event['id']}/label", json={"what": what}).json()["label"] == what
    assert api.get(f"/events/{event['id']}").json()["label"] == "pet"
    assert detail(api.put(f"/events/{event['id']}/label", json={"what": "burglar"}), 422)
    assert api.delete(f"/events/{event['id']}/label").json()["label"] is None
    assert api.get(f"/events/{event['id']}").json()["label"] is None
    assert detail(api.delete("/events/987654/label"), 404)


def test_a_capture_is_the_same_in_both_forms(api: httpx.Client, event: dict[str, Any]) -> None:
    rows = api.get(f"/events/{event['id']}/capture").json()
    assert (rows["lowest_db"], rows["step_db"]) == (LOWEST_DB, STEP_DB)
    assert len(rows["rows"]) == len(rows["time_s"])
    assert {len(row) for row in rows["rows"]} == {len(rows["velocity_mps"])} == {241}
    file = api.get(f"/events/{event['id']}/capture", params={"form": "npz"})
    assert np.load(io.BytesIO(file.content))["clean"].tolist() == rows["rows"]
    assert detail(api.get(f"/events/{event['id']}/capture", params={"form": "exe"}), 422)


def test_a_capture_that_is_gone(home: Served, api: httpx.Client) -> None:
    found = home.house.walk_past()
    path = home.house.memory.captures.path_of(found["capture"])
    path.unlink()
    assert "nothing is kept" in detail(api.get(f"/events/{found['id']}/capture"), 404)


def test_decisions_are_those_of_the_last_hour_unless_asked(api: httpx.Client) -> None:
    found = wait_for(lambda: api.get("/decisions").json())
    assert {"none", "major"} & {one["motion"] for one in found}
    before = {"until": (datetime.now(UTC) - timedelta(hours=2)).isoformat()}
    assert api.get("/decisions", params=before).json() == []


# -- Routines


@pytest.fixture
def lamp(api: httpx.Client) -> Any:
    made = api.post("/routines", json=LAMP)
    assert made.status_code == 201
    yield made.json()
    api.delete(f"/routines/{made.json()['id']}")


def test_a_routine_from_its_making_to_its_end(home: Served, api: httpx.Client, lamp: dict[str, Any]) -> None:
    assert lamp["id"] == "lamp"
    assert "motion: detected" in home.house.automation.path.read_text()
    changed = api.put("/routines/lamp", json=LAMP | {"name": "Other lamp", "suppress_for": "5m"}).json()
    assert (changed["id"], changed["suppress_for"]) == ("lamp", "5m")
    assert api.get("/routines/lamp").json() == changed
    assert [one["name"] for one in api.get("/routines").json()["routines"]] == ["Other lamp"]
    assert api.delete("/routines/lamp").status_code == 204
    assert "no Routine 'lamp'" in detail(api.get("/routines/lamp"), 404)
    for answer in (api.put("/routines/lamp", json=LAMP), api.delete("/routines/lamp")):
        detail(answer, 404)


def test_no_two_have_one_name(api: httpx.Client, lamp: dict[str, Any]) -> None:
    assert "already" in detail(api.post("/routines", json=LAMP), 409)
    other = api.post("/routines", json=LAMP | {"name": "Second", "id": "second"}).json()
    assert "already" in detail(api.put("/routines/second", json=LAMP), 409)
    api.delete(f"/routines/{other['id']}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": {"motion": "detected"}, "then": [{"wait": "1s"}]},
        LAMP | {"then": []},
        LAMP | {"when": {"motion": "not_detected"}},
        LAMP | {"suppress_for": 5},
        LAMP | {"then": [{"wait": "1s", "play": "a"}]},
        LAMP | {"unknown": 1},
        [],
        "text",
    ],
)
def test_what_no_routine_is_changes_nothing(api: httpx.Client, wrong: Any) -> None:
    detail(api.post("/routines", json=wrong), 422)
    assert api.get("/routines").json()["routines"] == []


def test_a_routine_is_tried(home: Served, api: httpx.Client, lamp: dict[str, Any]) -> None:
    home.house.told.clear()
    done = api.post("/routines/lamp/test").json()
    assert [one["ok"] for one in done] == [True]
    assert home.house.told == [("lamp", "ON")]
    assert api.post("/routines/lamp/would-run").json()["runs"] is True
    for what in ("test", "would-run"):
        detail(api.post(f"/routines/nobody/{what}"), 404)


def test_the_log_says_why_it_ran(home: Served, api: httpx.Client) -> None:
    comes = {"name": "Comes", "when": {"presence": "present"}, "then": LAMP["then"]}
    home.house.say(record(0.0))
    api.post("/routines", json=comes)
    home.house.told.clear()
    quiet_from_s = time.monotonic()  # silence must prove itself after a blind moment
    wait_for(lambda: time.monotonic() > quiet_from_s + SETTLES_S + 0.5)
    home.house.say(moving(0.0))
    wait_for(lambda: home.house.told == [("lamp", "ON")])
    lines = [one for one in api.get("/routines/log").json() if one["name"] == "Comes"]
    assert any(one.get("runs") and "runs: " in one["text"] for one in lines)
    assert len(api.get("/routines/log", params={"limit": 1}).json()) == 1
    detail(api.get("/routines/log", params={"limit": 501}), 422)
    api.delete("/routines/comes")
    home.house.say(record(0.0))


def test_export_is_what_import_reads(api: httpx.Client, lamp: dict[str, Any]) -> None:
    text = api.get("/routines/export").text
    api.delete("/routines/lamp")
    assert api.post("/routines/import", json={"text": text}).json() == [lamp]
    assert api.get("/routines/lamp").json() == lamp
    assert api.post("/routines/import", json={"text": "[]", "replace": True}).json() == []
    assert api.get("/routines").json()["routines"] == []
    api.post("/routines/import", json={"text": text})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- {name: a", "not valid YAML"),
        ("- {name: a, when: {motion: detected}}", "lacks 'then'"),
        ("- &a {name: a}\n- *a", "aliases"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
        ("x" * 20, "holds neither"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(api: httpx.Client, text: str, named: str) -> None:
    assert named in detail(api.post("/routines/import", json={"text": text, "replace": True}), 422)


def test_the_home_is_read_and_changed_and_its_secrets_stay(home: Served, api: httpx.Client) -> None:
    assert api.get("/home").json()["home"]["mqtt"] is None
    given = {"latitude": 52.5, "longitude": 13.4, "mqtt": {"host": "broker.lan", "password": "hush"}}
    told = api.patch("/home", json=given).json()
    assert (told["home"]["latitude"], told["home"]["mqtt"]["password"]) == (52.5, "***")
    assert told["machine_time_zone"]
    assert "hush" not in api.get("/home").text
    assert "hush" in home.house.automation.path.read_text()
    assert api.patch("/home", json={"mqtt": told["home"]["mqtt"]}).json() == told
    assert "hush" in home.house.automation.path.read_text()
    assert "needs the password again" in detail(api.patch("/home", json={"mqtt": {"host": "thief"}}), 422)
    assert "did you mean 'mqtt'" in detail(api.patch("/home", json={"mqt": {}}), 422)
    detail(api.patch("/home", json=[]), 422)
    told = api.patch("/home", json={"latitude": None, "longitude": None, "mqtt": None}).json()["home"]
    assert (told["latitude"], told["mqtt"]) == (None, None)


# -- the rest


def test_the_bundle_holds_no_secret(home: Served, api: httpx.Client) -> None:
    answer = api.get("/support")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert "settings.json" in bundle.namelist()
        assert json.loads(bundle.read("settings.json"))["web"]["port"] == home.port


def test_the_description_names_every_operation(api: httpx.Client) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/state", "/settings", "/events/{number}/capture", "/routines/{id}/would-run"} <= set(paths)
    undescribed = [
        (path, verb) for path, verbs in paths.items() for verb, one in verbs.items() if not one.get("summary")
    ]
    assert undescribed == []


def test_nothing_there_and_not_so(api: httpx.Client) -> None:
    detail(api.get("/nothing"), 404)
    detail(api.delete("/state"), 405)
    detail(api.post("/mute", content=b"{", headers={"Content-Type": "application/json"}), 422)
