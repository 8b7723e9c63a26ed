"""Actions against real counterparts: a web server, files, programs. MQTT and speech have their own tests."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError
from tests.processes import runs
from tests.routines.conftest import WebServer
from tests.routines.house import BERLIN, HandClock, Remembers, tools_of

from noctule.routines import ActionError, Home
from noctule.routines.actions import Action
from noctule.routines.facts import all_facts, ask_traffic, ask_weather
from noctule.routines.players import MachinePlayer
from noctule.routines.processes import run_program
from noctule.routines.schema import Step

MakeProgram = Callable[[str, str], Path]


def home_of(**more: object) -> Home:
    return Home.model_validate(BERLIN | more)


def action(tree: dict[str, object]) -> Action:
    return Step.model_validate(tree).action


def do(tree: dict[str, object], home: Home | None = None, does: Remembers | None = None) -> str:
    home = home or home_of()
    return asyncio.run(action(tree).run(tools_of(home, does or Remembers(), all_facts(home))))


# -- webhook


def test_a_webhook_sends_what_it_was_told(web: WebServer) -> None:
    web.answer("/hook")
    done = do({"webhook": {"url": f"{web.url}/hook?a=1", "payload": {"a": [1]}, "headers": {"X-Key": "k"}}})
    assert done == f"{web.url} answered 200"
    (asked,) = web.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/hook?a=1", b'{"a": [1]}')
    assert (asked.headers["X-Key"], asked.headers["Content-Type"]) == ("k", "application/json")


def test_a_short_webhook_and_plain_text(web: WebServer) -> None:
    web.answer("/")
    do({"webhook": f"{web.url}/"})
    do({"webhook": {"url": f"{web.url}/", "method": "PUT", "payload": "ON"}})
    assert [(one.method, one.body) for one in web.asked] == [("POST", b""), ("PUT", b"ON")]


def test_redirects_stay_within_the_scheme(web: WebServer) -> None:
    web.answer("/from", status=307, Location="/to")
    web.answer("/to")
    do({"webhook": f"{web.url}/from"})
    assert [(one.method, one.path) for one in web.asked] == [("POST", "/from"), ("POST", "/to")]
    for place in ("https://127.0.0.1:1/", "file:///etc/passwd", "ftp://127.0.0.1/"):
        web.answer("/from", status=302, Location=place)
        with pytest.raises(ActionError, match=f"sends us on to {place.partition(':')[0]}, which is refused"):
            do({"webhook": f"{web.url}/from"})
    assert len(web.asked) == 5


def test_redirects_end(web: WebServer) -> None:
    web.answer("/loop", status=302, Location="/loop")
    with pytest.raises(ActionError, match="redirects more than 5 times"):
        do({"webhook": f"{web.url}/loop"})


def test_a_password_is_not_carried_to_another_host(web: WebServer) -> None:
    web.answer("/from", status=307, Location=f"{web.url.replace('127.0.0.1', 'localhost')}/to")
    web.answer("/to")
    do({"webhook": {"url": f"{web.url}/from", "headers": {"Authorization": "Bearer s"}}})
    assert "Authorization" in web.asked[0].headers
    assert "Authorization" not in web.asked[1].headers


@pytest.mark.parametrize(
    ("url", "why"),
    [("{web}/gone?token=secret", "answered 404"), ("http://127.0.0.1:1/secret", "does not answer")],
)
def test_a_webhook_that_fails_does_not_tell_the_address(web: WebServer, url: str, why: str) -> None:
    with pytest.raises(ActionError, match=why) as error:
        do({"webhook": url.replace("{web}", web.url)})
    assert "secret" not in str(error.value)


def test_a_webhook_that_hangs_is_ended(web: WebServer) -> None:
    async def scene() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await action({"webhook": f"{web.url}/slow"}).run(tools_of(home_of(), Remembers()))

    asyncio.run(scene())


def test_an_answer_without_end_is_not_read_to_its_end(web: WebServer) -> None:
    web.answer("/", b"x" * 1_100_000)
    with pytest.raises(ActionError, match="more than 1000000 bytes"):
        do({"webhook": f"{web.url}/"})


# -- Home Assistant


def test_a_service_call_is_what_home_assistant_expects(web: WebServer) -> None:
    """https://developers.home-assistant.io/docs/api/rest: POST /api/services/<domain>/<service>"""
    web.answer("/api/services/light/turn_on", [])
    home = home_of(home_assistant={"url": f"{web.url}/", "token": "tok"})
    tree = {"service": "light.turn_on", "target": {"entity_id": "light.a"}, "data": {"brightness_pct": 40}}
    assert do({"home_assistant": tree}, home) == "called light.turn_on"
    (asked,) = web.asked
    assert asked.headers["Authorization"] == "Bearer tok"
    assert asked.body == b'{"entity_id":"light.a","brightness_pct":40}'


def test_home_assistant_says_no(web: WebServer) -> None:
    with pytest.raises(ActionError, match="needs address and token"):
        do({"home_assistant": "light.turn_on"})
    home = home_of(home_assistant={"url": web.url, "token": "wrong"})
    web.answer("/api/services/light/turn_on", status=401)
    with pytest.raises(ActionError, match="answered 401"):
        do({"home_assistant": "light.turn_on"}, home)
    for attack in ("light/../../x.y", "light.turn_on/../..", "a.b?c"):
        with pytest.raises(ValidationError):
            action({"home_assistant": attack})


# -- play


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A media folder with a sound, and something outside it that nobody may play."""
    folder = tmp_path / "media"
    (folder / "bells").mkdir(parents=True)
    tone = 0.1 * np.sin(np.arange(4800) / 10)
    soundfile.write(folder / "chime.flac", tone, 48000)
    soundfile.write(folder / "bells" / "big.wav", tone, 48000)
    soundfile.write(tmp_path / "secret.wav", tone, 48000)
    (folder / "out.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "up").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "alias.flac").symlink_to(folder / "chime.flac")
    return folder


@pytest.mark.parametrize("name", ["chime.flac", "bells/big.wav", "bells/../chime.flac", "alias.flac"])
def test_files_of_the_media_folder_are_played(media: Path, name: str) -> None:
    does = Remembers()
    do({"play": name}, home_of(media_folder=media), does)
    assert len(does.did) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../secret.wav",
        "bells/../../secret.wav",
        "{tmp}/secret.wav",
        "out.wav",
        "up/secret.wav",
        "up/media/../secret.wav",
        "circle",
        ".",
        "bells",
        "gone.wav",
        "chime.flac\0.wav",
        "~/secret.wav",
        "/etc/passwd",
        "/dev/stdin",
    ],
)
def test_nothing_else_is(media: Path, name: str) -> None:
    does = Remembers()
    with pytest.raises(ActionError, match=r"leads out of|there is no|is no file"):
        do({"play": name.replace("{tmp}", str(media.parent))}, home_of(media_folder=media), does)
    assert does.did == []


def test_without_a_folder_there_are_no_files(media: Path) -> None:
    with pytest.raises(ActionError, match="media_folder"):
        do({"play": "chime.flac"})


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "concat:a|b://", "http://", "HTTP://a b"])
def test_streams_are_web_addresses(url: str) -> None:
    with pytest.raises(ValidationError):
        action({"play": url})


def test_the_player_of_this_machine_gets_wav_whatever_the_file_is(
    media: Path, tmp_path: Path, program_on_path: MakeProgram
) -> None:
    program_on_path("pw-play", f'cp "$1" {tmp_path}/played.wav')
    asyncio.run(MachinePlayer().play(media / "chime.flac"))
    played, rate_hz = soundfile.read(tmp_path / "played.wav")
    original, _ = soundfile.read(media / "chime.flac")
    assert (rate_hz, soundfile.info(tmp_path / "played.wav").format) == (48000, "WAV")
    assert np.max(np.abs(played - original)) < 2 / 32768
    program_on_path("mpv", f'echo "$@" > {tmp_path}/stream')
    asyncio.run(MachinePlayer().play("http://radio.example/a"))
    assert (tmp_path / "stream").read_text().endswith("-- http://radio.example/a\n")


def test_where_one_player_cannot_another_does(
    media: Path, tmp_path: Path, program_on_path: MakeProgram
) -> None:
    """pw-play is installed with PipeWire, which need not be what runs."""
    program_on_path("pw-play", "echo no server >&2; exit 1")
    program_on_path("paplay", f'cp "$1" {tmp_path}/played.wav')
    asyncio.run(MachinePlayer().play(media / "chime.flac"))
    assert (tmp_path / "played.wav").exists()
    for name in ("paplay", "aplay"):
        program_on_path(name, "echo no card >&2; exit 1")
    with pytest.raises(ActionError, match=r"^aplay failed: no card$"):
        asyncio.run(MachinePlayer().play(media / "chime.flac"))


def test_what_cannot_be_played_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "text.wav"
    file.write_text("no sound")
    with pytest.raises(ActionError, match=r"text\.wav cannot be played"):
        asyncio.run(MachinePlayer().play(file))
    monkeypatch.setenv("PATH", str(tmp_path))
    for source, what in (
        (file, "a sound file needs one of pw-play"),
        ("http://a/b", "a stream needs one of mpv"),
    ):
        with pytest.raises(ActionError, match=what):
            asyncio.run(MachinePlayer().play(source))


# -- command


def test_allowed_commands_run_and_no_shell_reads_them(tmp_path: Path, program_on_path: MakeProgram) -> None:
    program_on_path("tell", f'echo "$1" > {tmp_path}/told')
    argument = f"a; touch {tmp_path}/b $(touch {tmp_path}/c)"
    assert do({"command": "blink"}, home_of(allow_commands={"blink": ["tell", argument]})) == "ran 'blink'"
    assert (tmp_path / "told").read_text() == argument + "\n"
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("name", ["touch", "touch /tmp/x", "/usr/bin/touch", "", "TOUCH"])
def test_without_the_list_nothing_runs(name: str) -> None:
    try:
        one = action({"command": name})
    except ValidationError:
        return  # not even a name
    for home in (home_of(), home_of(allow_commands={"else": ["true"]})):
        with pytest.raises(ActionError, match=r"is not allowed; allowed: (none is|else)"):
            asyncio.run(one.run(tools_of(home, Remembers())))


def test_a_command_that_fails_says_its_last_line(program_on_path: MakeProgram) -> None:
    fails = program_on_path("fails", "echo first >&2; echo the reason >&2; exit 3")
    with pytest.raises(ActionError, match=r"^fails failed: the reason$"):
        asyncio.run(run_program([str(fails)]))
    with pytest.raises(ActionError, match=r"^false failed: status 1$"):
        asyncio.run(run_program(["false"]))
    with pytest.raises(ActionError, match="cannot be started"):
        asyncio.run(run_program([str(fails.parent / "gone")]))


def test_a_program_that_is_ended_takes_its_children_along(
    tmp_path: Path, program_on_path: MakeProgram
) -> None:
    script = program_on_path(
        "parent", f"(trap '' TERM; exec sleep 100) & echo $! > {tmp_path}/child; : > {tmp_path}/ready; wait"
    )

    async def scene() -> None:
        task = asyncio.create_task(run_program([str(script)]))
        while not (tmp_path / "ready").exists():
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    child = int((tmp_path / "child").read_text())
    ends_s = time.monotonic() + 5
    while runs(child):  # killed it is; the kernel may take a moment
        assert time.monotonic() < ends_s


def test_a_program_that_talks_without_end_does_not_hang(program_on_path: MakeProgram) -> None:
    talks = program_on_path("talks", "yes | head -c 1000000 >&2; cat > /dev/null")
    asyncio.run(run_program([str(talks)], "text" * 100_000))


# -- notify


#: Apprise imports it where a PGP key may hold a picture; Python 3.13 has none, and Apprise does without.
no_imghdr = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@no_imghdr
def test_apprise_delivers(web: WebServer) -> None:
    pytest.importorskip("apprise", reason="the extra `notify` is not installed")
    web.answer("/phone")
    url = web.url.replace("http://", "json://") + "/phone"
    home = home_of(notify={"phone": url})
    assert do({"notify": {"to": "phone", "message": "Motion!"}}, home) == "sent 'Motion!'"
    assert do({"notify": url}, home) == "sent 'Motion at home.'"
    assert b"Motion!" in web.asked[0].body
    web.answer("/phone", status=500)
    with pytest.raises(ActionError, match="by phone was not taken"):
        do({"notify": "phone"}, home)


@no_imghdr
def test_what_apprise_does_not_know_is_refused() -> None:
    pytest.importorskip("apprise", reason="the extra `notify` is not installed")
    with pytest.raises(ActionError, match="does not know what to do"):
        do({"notify": "nothing://secret@host"})
    with pytest.raises(ActionError, match="neither an Apprise URL nor among"):
        do({"notify": "phone"})


# -- weather and travel time


WEATHER = {  # as api.open-meteo.com answers
    "current": {
        "temperature_2m": -0.4,
        "apparent_temperature": -4.6,
        "weather_code": 71,
        "wind_speed_10m": 12.5,
    },
    "daily": {
        "temperature_2m_max": [1.6],
        "temperature_2m_min": [-3.2],
        "precipitation_probability_max": [78],
    },
}


def test_the_weather_as_it_is_said(web: WebServer) -> None:
    web.answer("/v1/forecast", WEATHER)
    assert asyncio.run(ask_weather(home_of(weather_url=web.url))) == {
        "temperature": "0",
        "feels_like": "-5",
        "description": "light snow",
        "high": "2",
        "low": "-3",
        "rain_chance": "78",
        "wind": "12",
    }
    assert "latitude=52.52&longitude=13.405" in web.asked[0].path


@pytest.mark.parametrize(
    "answer",
    [[], {}, {"current": None}, {"current": {"temperature_2m": "warm", "weather_code": 12345}}, 5, None],
)
def test_what_the_weather_does_not_say_is_left_out(web: WebServer, answer: object) -> None:
    web.answer("/v1/forecast", answer)
    assert asyncio.run(ask_weather(home_of(weather_url=web.url))) == {}


def test_the_travel_time(web: WebServer) -> None:
    way = "/routing/1/calculateRoute/52.52,13.405:52.4,13.1/json"
    web.answer(way, {"routes": [{"summary": {"travelTimeInSeconds": 1530, "trafficDelayInSeconds": 240}}]})
    home = home_of(travel={"key": "k", "to": [52.4, 13.1], "url": web.url})
    assert asyncio.run(ask_traffic(home)) == {"minutes": "26", "delay_minutes": "4"}
    with pytest.raises(ActionError, match="`travel`"):
        asyncio.run(ask_traffic(home_of()))


def test_answers_are_remembered_and_failures_are_not(web: WebServer) -> None:
    clock = HandClock(steady=0.0)
    facts = all_facts(home_of(weather_url=web.url), clock.monotonic_s)["weather"]

    async def scene() -> None:
        with pytest.raises(ActionError):
            await facts()
        web.answer("/v1/forecast", WEATHER)
        for clock.steady in (0.0, 599.0, 601.0):
            assert (await facts())["temperature"] == "0"

    asyncio.run(scene())
    assert len(web.asked) == 3


def test_an_announcement_with_the_weather(web: WebServer) -> None:
    web.answer("/v1/forecast", WEATHER)
    does = Remembers()
    text = "It is {time}. It is {weather.temperature} degrees and {weather.description}."
    do({"announce": text}, home_of(weather_url=web.url), does)
    assert does.did == ["speak It is 19:42. It is 0 degrees and light snow.", "play announcement.wav"]


@pytest.mark.parametrize("broken", ["gone", "not json", "no place"])
def test_an_announcement_is_made_without_the_weather(web: WebServer, broken: str) -> None:
    if broken == "not json":
        web.answer("/v1/forecast", b"<html>")
    home = Home.model_validate({"weather_url": web.url} | (BERLIN if broken != "no place" else {}))
    does = Remembers()
    do({"announce": "Hello. It is {weather.temperature} degrees."}, home, does)
    assert does.did[0] == "speak Hello. The weather is not known right now."


def test_programs_are_not_left_open_on_the_way() -> None:
    """File descriptors after many failing programs: as many as before."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("no /proc here")

    async def scene() -> int:
        for _ in range(20):
            with pytest.raises(ActionError):
                await run_program(["false"])
        return len(os.listdir(folder))

    assert asyncio.run(scene()) <= len(os.listdir(folder)) + 5
