"""The step Sensitivity: presets with what they were measured to do, and the values behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.web.forms.inputs import named
from noctule.web.forms.words import duration_words
from noctule.web.theme import card, note

if TYPE_CHECKING:
    from noctule.service.bus import Message
    from noctule.service.service import Service

#: Of the detector without a model, which nobody has measured: the same places of the same scale.
PLAIN_PRESETS: dict[str, dict[str, Any]] = {
    "Slightly sensitive": {"trigger_sensitivity": 0.25},
    "Moderately sensitive": {"trigger_sensitivity": 0.5},
    "Very sensitive": {"trigger_sensitivity": 0.75},
}
_FOR_WHOM = {
    "Slightly sensitive": "For alarms: rather misses a small motion than tells of a pet or a curtain.",
    "Moderately sensitive": "For light and presence: the usual choice.",
    "Very sensitive": "For quiet rooms: notices somebody who hardly moves.",
}
_SHARES = tuple(round(0.05 * step, 2) for step in range(21))
_ON_S = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
_OFF_S = (10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0)
_SETTLED_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0)


class SensitivityStep:
    """Three cards; sliders for the curious."""

    def __init__(self, service: Service, told: Callable[[], None]) -> None:
        self._service = service
        self._sliders: dict[str, Callable[[float], None]] = {}

    @property
    def done(self) -> bool:
        return self._chosen() is not None

    def heard(self, message: Message) -> None:
        """Nothing that is heard here changes it."""

    def draw(self) -> None:
        self._presets_box = ui.element("div").classes("f-presets").props('role=group aria-label="presets"')
        self._said = ui.label().classes("n-soft").props("role=status data-testid=sensitivity.said")
        self._draw_presets()
        model = self._service.model
        if model is None:
            note("The detector without a model is in use: its false alarms have not been measured.")
        else:
            _draw_measured(model)
        with card("Nobody is here after"):
            self._slider(
                "off_latency_s",
                "so long without motion, where whoever moved seems to have left",
                _OFF_S,
                _long,
            )
            self._slider("settled_off_latency_s", "where they seem to sit still", _SETTLED_S, _long)
        with card(), ui.expansion("For the curious").classes("w-full f-options"):
            share = "{:.0%}".format
            self._slider("trigger_sensitivity", "Sensitivity while nobody is here (trigger)", _SHARES, share)
            self._slider(
                "sustain_sensitivity", "Sensitivity right after somebody walked (sustain)", _SHARES, share
            )
            self._slider("on_latency_s", "Walking must last so long", _ON_S, _short)

    def _presets(self) -> Mapping[str, dict[str, Any]]:
        model = self._service.model
        return model["presets"] if model is not None else PLAIN_PRESETS

    def _chosen(self) -> str | None:
        now = self._service.settings.presence.trigger_sensitivity
        near = (name for name, one in self._presets().items() if abs(one["trigger_sensitivity"] - now) < 1e-3)
        return next(near, None)

    def _draw_presets(self) -> None:
        chosen = self._chosen()
        self._presets_box.clear()
        with self._presets_box:
            for name, one in self._presets().items():
                button = ui.element("button").classes("f-preset").props("type=button")
                button.props(f"aria-pressed={'true' if name == chosen else 'false'}")
                named(button, f"preset.{name.split()[0].lower()}")
                button.on("click", lambda name=name, one=one: self._choose(name, one["trigger_sensitivity"]))
                with button:
                    _draw_preset(name, one, name == chosen)
        if chosen is None:
            now = self._service.settings.presence.trigger_sensitivity
            self._said.set_text(f"Your own value is in use: {now:.0%}.")

    def _choose(self, name: str, trigger: float) -> None:
        if self._change("trigger_sensitivity", trigger):
            self._sliders["trigger_sensitivity"](trigger)
            self._said.set_text(f"“{name}” is in use now.")
            self._draw_presets()

    def _change(self, key: str, value: float) -> bool:
        try:
            self._service.change_settings({"presence": {key: value}})
        except NoctuleError as error:
            self._said.set_text(str(error))
            return False
        return True

    def _slider(self, key: str, words: str, values: Sequence[float], text: Callable[[float], str]) -> None:
        def place(value: float) -> int:
            return min(range(len(values)), key=lambda index: abs(values[index] - value))

        def move(value: float) -> None:
            slider.set_value(place(value))
            said.set_text(text(value))

        def show(event: Any) -> None:
            said.set_text(text(values[int(event.value)]))

        def keep(event: Any) -> None:
            value = values[int(event.args)]
            if self._change(key, value):
                self._said.set_text("Kept.")
                self._draw_presets()

        now = float(getattr(self._service.settings.presence, key))
        with ui.element("div").classes("w-full f-slider"):
            with ui.row(wrap=False).classes("w-full justify-between items-end gap-3"):
                ui.label(words).classes("n-soft")
                said = ui.label(text(now)).classes("font-bold").style("white-space: nowrap")
                said.props(f'data-testid="{key}.value" role=status')
            slider = ui.slider(min=0, max=len(values) - 1, step=1, value=place(now), on_change=show).props(
                "snap markers"
            )
            named(slider, key, words).on("change", keep)
        self._sliders[key] = move


def _draw_preset(name: str, one: Mapping[str, Any], chosen: bool) -> None:
    with ui.row(wrap=False).classes("w-full items-center gap-2"):
        ui.label(name).classes("font-bold grow")
        ui.icon("check_circle" if chosen else "radio_button_unchecked").props("aria-hidden=true")
    if name in _FOR_WHOM:
        ui.label(_FOR_WHOM[name]).classes("n-small n-soft")
    measured = one.get("measured")
    if measured:
        _figure(f"{measured['false_alarms_per_day']:,.0f}", "false alarms a day in hard simulated scenes")
        _figure(f"{measured['onsets_found_within_1_s']:.0%}", "of walks noticed within a second")
        _figure(f"{measured['minor_frames_found']:.0%}", "of the time of small motions noticed")


def _figure(number: str, words: str) -> None:
    with ui.element("div").classes("f-figure"):
        ui.label(number).classes("font-bold tabular")
        ui.label(words).classes("n-small n-soft")


def _draw_measured(model: Mapping[str, Any]) -> None:
    """Where the figures come from: they would frighten, or promise, without it."""
    presets = model["presets"]
    measured = {name: one["measured"] for name, one in presets.items() if one.get("measured")}
    if not measured:
        return
    first = next(iter(measured.values()))
    with card(), ui.expansion("Where these figures come from").classes("w-full f-options"):
        ui.label(
            f"Measured in simulated rooms, not in yours: {first['empty_hours']:g} hours of scenes in which "
            "nobody is inside, but pets, vacuum cleaners, fans, music and people next door are at work all "
            "the time. An ordinary empty room is much quieter, as its line shows. What your room really does "
            "stands in the timeline after a few days."
        ).classes("n-small")
        ui.label(f"Scenes: {first['on']}; model {model['name']}.").classes("n-small n-soft")
        strata = first.get("false_alarms_per_hour_by_stratum", {})
        with ui.element("div").classes("f-scroll"), ui.element("table").classes("f-table"):
            with ui.element("tr"):
                for words in ("False alarms an hour", *(name.split()[0] for name in measured)):
                    with ui.element("th").props("scope=col"):
                        ui.label(words)
            for stratum in strata:
                with ui.element("tr"):
                    with ui.element("th").props("scope=row"):
                        ui.label(stratum.replace("_", " "))
                    for one in measured.values():
                        with ui.element("td"):
                            ui.label(f"{one['false_alarms_per_hour_by_stratum'][stratum]:.0f}")


def _long(seconds: float) -> str:
    return duration_words(seconds)


def _short(seconds: float) -> str:
    return f"{seconds:g} s"
