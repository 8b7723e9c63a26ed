"""How the sensor is: a state in words, why, what to do, and how it was before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule import __version__
from noctule.core.errors import NoctuleError
from noctule.web.advice import advice
from noctule.web.theme import card, chip, duration_text, empty, fact, facts, follow, note, url, when_text

if TYPE_CHECKING:
    from noctule.service.service import Service

#: Changes shown, and how often the figures are renewed, s.
SHOWN, EVERY_S = 50, 1.0
#: A change is told first and written then, s.
WRITTEN_S = 1.5

_HEADINGS = {
    "healthy": "All is well",
    "alarmed": "Something is wrong",
    "recovering": "It is coming back",
    "escalated": "Something stays wrong",
    "failed": "Somebody has to look after it",
}
_MOODS = {"healthy": "good", "recovering": "absent"}


def build(service: Service) -> None:
    """The page."""
    with card():
        now = ui.element("div").props('data-testid="health"')
    with card("Figures"):
        _Figures(service)
    with card("Before"):
        before = ui.element("div").classes("n-list").props('data-testid="changes"')
    with card("Support"):
        ui.label(
            "A bundle for a bug report: versions, devices, settings, health and the log. It holds no "
            "password, no sound, and nothing of what happened in the room."
        ).classes("n-soft")
        with ui.element("a").props(f'href="{url("/api/v1/support")}" download data-testid="support"'):
            ui.button("Download", icon="download").props("unelevated").classes("mt-2")

    async def show() -> None:
        report = service.bus.latest("health") or asdict(service.health())
        changes = await asyncio.to_thread(_changes, service)
        _show_now(now, report, changes)
        _show_before(before, changes)

    async def changed(_: object) -> None:
        await show()
        await asyncio.sleep(WRITTEN_S)
        await show()

    follow(service.bus, changed, "health", most=1)
    ui.timer(0.0, show, once=True)


def _changes(service: Service) -> list[dict[str, Any]]:
    try:
        return service.memory.history.health(SHOWN)[::-1] if service.memory else []
    except NoctuleError:  # the report says what is wrong with it
        return []


def _show_now(place: ui.element, report: Mapping[str, Any], changes: list[dict[str, Any]]) -> None:
    state, reason = str(report["state"]), str(report["reason"])
    place.clear()
    with place:
        with ui.element("div").classes("flex items-center gap-3 wrap mb-2"):
            ui.html(_HEADINGS[state], sanitize=False, tag="h2").classes("n-big")
            chip(state, _MOODS.get(state, "trouble"))
        well = state == "healthy"
        if not (well and reason == "all is well"):
            note(reason[0].upper() + reason[1:], "" if well or state == "recovering" else "trouble")
        for one in advice(reason):
            with ui.element("div").classes("flex items-start gap-2 no-wrap mt-2"):
                ui.icon("build").classes("n-soft").props("aria-hidden=true").style("margin-top: 3px")
                ui.label(one)
        if changes:
            lasts_s = (datetime.now(UTC) - datetime.fromisoformat(changes[0]["time"])).total_seconds()
            seeing = "It senses" if report["sensing"] else "Nothing is sensed"
            ui.label(f"{seeing}. It has been so for {duration_text(max(lasts_s, 0.0))}.").classes(
                "n-soft mt-2"
            )


def _show_before(place: ui.element, changes: list[dict[str, Any]]) -> None:
    place.clear()
    with place:
        if not changes:
            empty("Nothing has changed yet.", "monitor_heart")
        for change in changes:
            with ui.element("div").classes("n-change"):
                ui.label(when_text(change["time"])).classes("n-soft n-small tabular")
                chip(change["state"], _MOODS.get(change["state"], "trouble"))
                ui.label(change["reason"])


class _Figures:
    """What the newest record says, once a second."""

    def __init__(self, service: Service) -> None:
        self._service = service
        with facts():
            self._labels = {name: fact(name) for name in _figures({}, service)}
        self._show()
        ui.timer(EVERY_S, self._show)

    def _show(self) -> None:
        for name, text in _figures(self._service.bus.latest("record") or {}, self._service).items():
            self._labels[name].text = text


def _figures(record: Mapping[str, Any], service: Service) -> dict[str, str]:
    def of(key: str, text: str, scale: float = 1.0) -> str:
        return text.format(record[key] * scale) if record.get(key) is not None else "–"

    model = service.model
    since_s = (datetime.now(UTC) - service.started).total_seconds()
    return {
        "Carrier": of("carrier_hz", "{:.4g} kHz", 1e-3),
        "Carrier over the noise": of("carrier_snr_db", "{:.0f} dB"),
        "Level played": of("level_dbfs", "{:.0f} dBFS") if record.get("emitting") else "silent",
        "Level heard": of("carrier_level_dbfs", "{:.0f} dBFS"),
        "Played in the last hour": of("emission_share", "{:.0f} %", 100.0),
        "Sound card lost samples": of("xruns", "{:.0f} times"),
        "Fault now": str(record.get("fault") or "none").replace("_", " "),
        "Detector": f"{model['name']}, version {model['version']}" if model else "without a network (cfar)",
        "noctule": __version__,
        "Running for": duration_text(since_s),
    }
