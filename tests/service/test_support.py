"""The support bundle: enough to understand, and nothing that is nobody's business."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from tests.service.made_up import Hands, features
from tests.service.test_store import event

from noctule.core.errors import NoctuleError
from noctule.core.settings import EmitSettings, Settings, StoreSettings
from noctule.service.captures import Captures
from noctule.service.store import Store
from noctule.service.support import changed_settings, journal, mask_secrets, mask_text, write_bundle

SECRETS = ("hunter2", "tok3n", "k3y", "s3cret")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state folder in use, with a capture and a damaged history beside it."""
    place = tmp_path / "state"
    hands = Hands()
    store = Store(StoreSettings(), place, clock=hands.clock, owner=True)
    store.keep_event(event(1, reason="somebody came home at night"))
    store.keep_health("alarmed", "the disk is full")
    store.close()
    captures = Captures(StoreSettings(), place / "captures")
    captures.see(features(1.0))
    captures.want(1.0, 0)
    captures.flush()
    captures.write()
    (place / "captures" / "x.sigmf-data").write_bytes(b"samples")
    (place / "history.damaged-20260101T000000.sqlite").write_text("old")
    (place / "calibration-0123456789abcdef.json").write_text('{"carrier_hz": 20500.0}')
    (place / "doctor.json").write_text(json.dumps({"carrier": "20 kHz", "api_key": "k3y"}))
    return place


def bundle(
    folder: Path, out: Path, settings: Callable[[], Settings] = Settings, **different: Any
) -> dict[str, str]:
    given: dict[str, Any] = {"devices": lambda: [{"name": "card"}], "log": lambda: ["a line"], **different}
    write_bundle(out, settings, folder, **given)
    with zipfile.ZipFile(out) as file:
        assert file.testzip() is None
        return {name: file.read(name).decode() for name in file.namelist()}


def test_what_is_in_it(folder: Path, tmp_path: Path) -> None:
    parts = bundle(folder, tmp_path / "out.zip")
    assert set(parts) == {
        "versions.json", "devices.json", "settings.json", "environment.json", "history.json", "log.txt",
        "doctor.json", "calibration-0123456789abcdef.json",
    }  # fmt: skip
    assert json.loads(parts["versions.json"])["packages"]["sqlalchemy"] != "missing"
    assert json.loads(parts["devices.json"]) == [{"name": "card"}]
    assert json.loads(parts["settings.json"])["emit"]["level_dbfs"] == -20.0
    history = json.loads(parts["history.json"])
    assert history["counts"]["events: major"] == 1
    assert history["health"][0]["reason"] == "the disk is full"
    assert history["set_aside"][0]["name"] == "history.damaged-20260101T000000.sqlite"
    assert history["captures"]["files"] == 2
    assert parts["log.txt"] == "a line\n"


def test_neither_sound_nor_events_nor_secrets(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOCTULE_MQTT__PASSWORD", "hunter2")
    monkeypatch.setenv("OTHER_TOKEN", "tok3n")
    log = ["connecting to mqtt://me:hunter2@broker:1883", "Authorization: Bearer tok3n", f"{Path.home()}/x"]
    parts = bundle(folder, tmp_path / "out.zip", log=lambda: log)
    text = "".join(parts.values())
    assert [secret for secret in SECRETS if secret in text] == []
    assert "came home" not in text
    assert "samples" not in text
    assert "\nmqtt" not in parts["log.txt"]
    assert "mqtt://***@broker:1883" in parts["log.txt"]
    assert parts["log.txt"].endswith("~/x\n")
    assert "OTHER_TOKEN" not in parts["environment.json"]
    assert json.loads(parts["environment.json"])["NOCTULE_MQTT__PASSWORD"] == "***"


def test_what_cannot_be_found_out_does_not_keep_the_rest_away(tmp_path: Path) -> None:
    def broken() -> Any:
        raise NoctuleError("settings: unknown key 'emit.levl'")

    (tmp_path / "history.sqlite").write_text("no database")
    parts = bundle(tmp_path, tmp_path / "out.zip", broken, devices=broken)
    for name in ("settings.json", "devices.json"):
        assert json.loads(parts[name]) == {"error": "NoctuleError: settings: unknown key 'emit.levl'"}
    assert "damaged" in json.loads(parts["history.json"])["error"]
    assert "versions.json" in parts


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NoctuleError, match=r"out\.zip: cannot be written"):
        bundle(tmp_path, tmp_path / "none" / "out.zip")


@pytest.mark.parametrize(
    "name",
    ["password", "mqtt_password", "token", "api_key", "apikey", "key", "client_secret", "passphrase", "Auth"],
)
def test_names_of_secrets(name: str) -> None:
    tree = {"a": [{name: "s3cret", "topic": "home"}], name: {"inner": 1}}
    assert mask_secrets(tree) == {"a": [{name: "***", "topic": "home"}], name: {"inner": 1}}
    assert mask_secrets({name: None}) == {name: None}


@pytest.mark.parametrize("name", ["keyboard", "monkey", "author", "carrier_hz", "level_dbfs"])
def test_names_that_are_no_secrets(name: str) -> None:
    assert mask_secrets({name: "open"}) == {name: "open"}


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("password=hunter2 next", "password=*** next"),
        ('{"api_key": "k3y", "b": 1}', '{"api_key": ***, "b": 1}'),
        ("GET https://u:p@host/x?token=tok3n&y=1", "GET https://***@host/x?token=***&y=1"),
        ("bearer tok3n", "bearer ***"),
        ("motion for 0.2 s at +0.7 m/s", "motion for 0.2 s at +0.7 m/s"),
    ],
)
def test_secrets_inside_lines(line: str, masked: str) -> None:
    assert mask_text(line) == masked


def test_changes_of_settings() -> None:
    before = Settings()
    after = before.model_copy(update={"emit": EmitSettings(level_dbfs=-12.0, carrier_hz=20000.0)})
    assert changed_settings(before, after) == [
        ("emit.carrier_hz", '"auto"', "20000.0"),
        ("emit.level_dbfs", "-20.0", "-12.0"),
    ]
    assert changed_settings(before, before) == []


def test_a_changed_secret_is_said_to_have_changed_and_no_more() -> None:
    class Mqtt(BaseModel):
        password: str
        pin: SecretStr = SecretStr("s3cret")

    changes = changed_settings(Mqtt(password="hunter2"), Mqtt(password="tok3n"))  # type: ignore[arg-type]
    assert changes == [("password", '"***"', '"***"')]


def test_the_journal_is_asked_and_nothing_breaks_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert journal() == ["no journalctl on this system"]
