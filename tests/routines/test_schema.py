"""What a file may say, what it may not, and that nothing gets lost between writing and reading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from noctule.core.errors import NoctuleError
from noctule.routines import parse_routines, read_routines, routines_text
from noctule.routines.parts import duration_text, seconds_of
from noctule.routines.schema import ACTIONS, Routine

#: The example that the format was designed with.
EVERYTHING = """
- name: Lights when I come in
  when: {motion: detected, level: major}
  only_if:
    between: [sunset-30m, "23:30"]
    days: [mon, tue, wed, thu, fri]
    mqtt: {topic: home/alarm, is: "off"}
  suppress_for: 5m
  mode: restart
  then:
    - light: {topic: zigbee2mqtt/office/set, payload: {state: "ON"}}
    - announce: "Good morning. It is {weather.temperature} degrees; {traffic.minutes} minutes to work."
    - play: chime.flac
    - webhook: {url: "http://127.0.0.1/", method: POST}
    - wait: 2s
- name: Everybody left
  id: left
  enabled: false
  when: {presence: absent, for: 1h30m}
  only_if:
    - or: [{days: [sat]}, {not: {between: [sunrise+1h, sunset]}}]
    - mqtt: {topic: zigbee2mqtt/door, key: state.contact, is: true}
    - presence: absent
  then:
    - mqtt: {topic: home/left, payload: [1, 2.5, null, yes], qos: 0, retain: true}
      timeout: 3s
      on_error: stop
    - home_assistant: {service: light.turn_off, target: {entity_id: light.all}, data: {transition: 2}}
    - notify: {to: phone, message: All gone}
    - command: lock
- name: Still nobody
  when: {motion: not_detected, for: 5s}
  mode: queued
  then: [{play: "https://radio.example/stream"}]
"""


def refused(text: str) -> str:
    with pytest.raises(NoctuleError) as error:
        parse_routines(text, "r.yaml", environment={})
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("r.yaml: ")


def routine(**changes: str) -> str:
    parts = {"when": "{motion: detected}", "then": "[{wait: 1s}]", **changes}
    return "- name: Lamp\n" + "".join(f"  {key}: {value}\n" for key, value in parts.items())


def test_everything_means_the_same_after_it_was_written_and_read() -> None:
    first = parse_routines(EVERYTHING).routines
    text = routines_text(first)
    assert parse_routines(text).routines == first
    assert routines_text(parse_routines(text).routines) == text
    assert {step.name for one in first for step in one.then} == set(ACTIONS)  # every one has a case


def test_other_readers_of_yaml_understand_what_is_written() -> None:
    """By YAML 1.1 an unquoted `off` is false and 22:00 the number 1320."""
    text = routines_text(
        parse_routines(routine(only_if="{between: [22:00, 06:00], mqtt: {topic: a, is: off}}")).routines
    )
    condition = yaml.safe_load(text)[0]["only_if"]
    assert condition == {"between": ["22:00", "06:00"], "mqtt": {"topic": "a", "is": "off"}}


def test_unquoted_words_are_what_they_look_like() -> None:
    found = parse_routines(
        routine(then="[{mqtt: {topic: a, payload: {state: ON, at: 22:00, n: 010, y: yes}}}]")
    )
    payload = found.routines[0].then[0].mqtt
    assert payload is not None
    assert payload.payload == {"state": "ON", "at": "22:00", "n": "010", "y": "yes"}


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text("abc: #'\"-", max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_payload_survives(payload: object) -> None:
    tree = {
        "name": "x",
        "when": {"motion": "detected"},
        "then": [{"mqtt": {"topic": "t", "payload": payload}}],
    }
    one = Routine.model_validate(tree)
    (again,) = parse_routines(routines_text([one])).routines
    assert again == one
    assert again.then[0].mqtt is not None
    assert json.dumps(again.then[0].mqtt.payload) == json.dumps(payload)


@given(st.integers(1, 366 * 86_400_000))
def test_durations_survive(milliseconds: int) -> None:
    assert seconds_of(duration_text(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0.5s", 0.5), ("90s", 90)],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "m", "0s", "-5s", "5 m", "1m1h", "400d", "1e3s", "٣s", 5, None, True]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|between"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (routine(wen="{}"), "unknown key 'wen'; did you mean 'when'?"),
        (routine(when="{motoin: detected}"), "when: unknown key 'motoin'; did you mean 'motion'?"),
        (
            routine(when="{motion: detect}"),
            "when.motion: 'detect' is none of detected, not_detected; did you mean 'detected'?",
        ),
        (routine(when="{}"), "when: says either 'motion' or 'presence'"),
        (routine(when="{motion: detected, presence: absent}"), "when: says either 'motion' or"),
        (routine(when="{motion: not_detected}"), "when: 'motion: not_detected' needs 'for'"),
        (routine(when="{motion: detected, for: 5s}"), "when: 'for' goes with"),
        (routine(when="{presence: absent, level: any}"), "when: 'level' goes with 'motion'"),
        (routine(when="motion"), "when: needs keys, such as 'motion'"),
        (routine(suppress_for="5"), "suppress_for: 5 is no duration; write it like 5s"),
        (routine(mode="parallel"), "mode: 'parallel' is none of single, restart, queued"),
        (routine(then="[]"), "then:"),
        (routine(then="[{lihgt: {topic: a}}]"), "then[1]: unknown key 'lihgt'; did you mean 'light'?"),
        (routine(then="[{wait: 1s}, {}]"), "then[2]: holds one action each, not none; there are light"),
        (routine(then="[{wait: 1s, play: a}]"), "then[1]: holds one action each, not play, wait"),
        (routine(then="[{light: {topc: a}}]"), "then[1].light: unknown key 'topc'; did you mean 'topic'?"),
        (routine(then="[{light: {}}]"), "then[1].light: lacks 'topic'"),
        (routine(then="[{mqtt: {topic: a/#}}]"), "then[1].mqtt.topic: 'a/#' is no topic"),
        (routine(then='[{play: "file:///etc/passwd"}]'), "then[1].play.file: 'file:///etc/passwd' is"),
        (routine(then='[{webhook: "ftp://a/b"}]'), "then[1].webhook.url: 'ftp://a/b' is no address"),
        (
            routine(then='[{announce: "{wether.temperature}"}]'),
            "then[1].announce.text: '{wether.temperature}' is no field; "
            "did you mean '{weather.temperature}'?",
        ),
        (routine(only_if="{betwen: [a, b]}"), "only_if: unknown key 'betwen'; did you mean 'between'?"),
        (routine(only_if="{between: [25:00, 06:00]}"), "only_if.between[1]: '25:00' is no time"),
        (routine(only_if="{between: [sunset-13h, 06:00]}"), "only_if.between[1]: 'sunset-13h' is more"),
        (routine(only_if="{days: [monday]}"), "only_if.days[1]: 'monday' is none of mon, tue"),
        (routine(only_if="{}"), "only_if: says nothing; it may hold between, days"),
        (routine(only_if="{or: [{days: [mom]}]}"), "only_if.or[1].days[1]: 'mom' is none of"),
        ("- {when: {motion: detected}, then: [{wait: 1s}]}", "routine 1: lacks 'name'"),
        ("- 5", "routine 1: needs keys"),
        ("just text", "holds neither a list of Routines nor"),
        ("rutines: []", "unknown key 'rutines'; did you mean 'routines'?"),
        ("- name: [", "line 1: not valid YAML"),
        ("- {name: a, name: b}", "line 1: not valid YAML: 'name' is said twice"),
        ("- &a {name: a}\n- *a", "line 2: not valid YAML: aliases (*) are not read"),
        ("- !!python/object/apply:os.system [id]", "line 1: not valid YAML: could not determine"),
        ("- {1: a}", "line 1: not valid YAML: the key 1 is no text"),
        ("[" * 5000, "not valid YAML"),
        (routine() + routine(), "2 Routines have the id 'lamp'"),
        ("home: {latitud: 3}", "home: unknown key 'latitud'; did you mean 'latitude'?"),
        ("home: {latitude: 3}", "home: latitude and longitude belong together"),
        ("home: {time_zone: Europe/Berlim}", "home.time_zone: there is no time zone 'Europe/Berlim'; did"),
        ("home: {time_zone: ../../etc/passwd}", "home.time_zone: there is no time zone"),
        ("home: {mqtt: {password: '${SECRET}'}}", "home: the environment has no variable SECRET"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(text: str, line: str) -> None:
    assert refused(text).removeprefix("routine 'Lamp': ").startswith(line)


def test_the_line_names_the_routine() -> None:
    assert refused(routine(mode="parallel")).startswith("routine 'Lamp': mode: ")


def test_secrets_come_from_the_environment_and_are_not_shown() -> None:
    text = "home: {mqtt: {host: '${HOST}.lan', password: '${SECRET}'}}"
    home = parse_routines(text, environment={"HOST": "broker", "SECRET": "tell nobody"}).home
    assert home.mqtt is not None
    assert home.mqtt.host == "broker.lan"
    assert home.mqtt.password is not None
    assert home.mqtt.password.get_secret_value() == "tell nobody"
    assert "tell nobody" not in repr(home) + home.model_dump_json()


def test_routines_do_not_see_the_environment() -> None:
    """Whoever may write Routines, in the app, must not read what the process knows."""
    found = parse_routines(
        routine(then='[{announce: "x"}, {webhook: "http://a/${SECRET}"}]'), environment={"SECRET": "s"}
    )
    assert found.routines[0].then[1].webhook is not None
    assert found.routines[0].then[1].webhook.url == "http://a/${SECRET}"


def test_a_broken_secret_is_not_shown() -> None:
    text = "home: {home_assistant: {url: 'http://a', token: {a: '${SECRET}'}}}"
    with pytest.raises(NoctuleError) as error:
        parse_routines(text, environment={"SECRET": "tell nobody"})
    assert "tell nobody" not in str(error.value)


def test_an_id_stays_when_the_name_changes() -> None:
    (one,) = parse_routines(routine()).routines
    assert one.id == "lamp"
    text = routines_text([one]).replace("name: Lamp", "name: Lantern")
    (again,) = parse_routines(text).routines
    assert (again.id, again.name) == ("lamp", "Lantern")


def test_files_are_named_from_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("home: {media_folder: sounds, piper_voice: /voices/en.onnx}\n")
    home = read_routines(file).home
    assert home.media_folder == tmp_path / "sounds"
    assert home.piper_voice == Path("/voices/en.onnx")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"#" * 1_000_001])
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "r.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NoctuleError, match=r"r\.yaml: (No such file|not a text|longer)"):
        read_routines(file)


def test_what_the_home_lacks_is_a_warning() -> None:
    lines = "\n".join(parse_routines(EVERYTHING, environment={}).warnings())
    for what in ("the sun needs latitude", "`mqtt` in `home`", "`travel`", "media_folder", "`home_assistant`",
                 "'phone' is neither", "'lock' is not allowed"):  # fmt: skip
        assert what in lines
