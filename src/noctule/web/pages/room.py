"""The simulated room of the demo: who is led, what is switched, and whether the sensor is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.web.components.agreement import Agreement
from noctule.web.components.floorplan import FloorPlan
from noctule.web.components.sources import add_styles
from noctule.web.components.waterfall import Waterfall
from noctule.web.stage import Act, Stage
from noctule.web.theme import card, follow, url

if TYPE_CHECKING:
    from noctule.service.bus import Message
    from noctule.service.service import Service

#: What the buttons ask of a person: icon, words.
_ACTS: dict[Act, tuple[str, str]] = {
    "sit": ("chair", "Sit"),
    "read": ("menu_book", "Read"),
    "stand": ("accessibility", "Stand"),
    "leave": ("logout", "Leave"),
}


def build(service: Service) -> None:
    """The page. The browser draws from the stream itself; the server changes a button now and then."""
    if service.stage is None:
        ui.label("There is no simulated room: `noctule demo` has one.")
        return
    add_styles()
    stage = cast("Stage", service.stage)
    with ui.element("div").classes("r-room"):
        with card(classes="r-plan"):
            choices = _Choices(stage)
            tour = _TourBubble(stage)
            plan = FloorPlan(stage.plan(), _asked(stage.move), _asked(stage.follow), _asked(stage.switch))
        with ui.element("div").classes("r-side"):
            with card("Is it right?"):
                Agreement(service.settings.presence.off_latency_s)
            with card(stage.plan()["people"][0]["name"]):
                acts = _Acts(stage, plan)
            with card("Things"):
                switches = _Switches(stage)
        with card("What it sees", classes="r-sees"):
            Waterfall(service.settings.features)

    def show(message: Message) -> None:
        state = message.body
        for part in (choices, tour, acts, switches):
            part.show(state)
        if choices.is_another(stage.plan()):
            plan.set_plan(stage.plan())

    follow(service.bus, show, "stage", most=2)


def _asked(do: Callable[..., None]) -> Callable[..., None]:
    """Something that cannot be done just now is said, in one line."""

    def ask(*about: Any) -> None:
        try:
            do(*about)
        except NoctuleError as error:
            ui.notify(str(error))

    return ask


class _Choices:
    """Room, carrier, and the tour's button."""

    def __init__(self, stage: Stage) -> None:
        self._stage, plan = stage, stage.plan()
        self._shown = (plan["room"], plan["carrier_hz"])
        carriers = {hz: f"{hz / 1000:g} kHz" for hz in plan["carriers_hz"]}
        with ui.element("div").classes("r-choices"):
            self._room = ui.select(plan["rooms"], value=plan["room"], label="Room").props(
                'outlined dense options-dense data-testid="room"'
            )
            self._carrier = ui.select(carriers, value=plan["carrier_hz"], label="Tone").props(
                'outlined dense options-dense data-testid="carrier"'
            )
            self._tour = ui.button("Guided tour, 2 minutes", icon="tour", on_click=self._begin).props(
                'unelevated data-testid="tour"'
            )
        for choice in (self._room, self._carrier):
            choice.on_value_change(lambda: _asked(self._choose)())

    def is_another(self, plan: dict[str, Any]) -> bool:
        """Whether somebody, in this browser or another, chose another room or carrier since."""
        now = (plan["room"], plan["carrier_hz"])
        another, self._shown = now != self._shown, now
        if another:
            self._room.value, self._carrier.value = now
        return another

    def show(self, state: dict[str, Any]) -> None:
        self._tour.set_visibility(not state["touring"])

    def _choose(self) -> None:
        if (self._room.value, self._carrier.value) != self._shown:
            self._stage.choose(self._room.value, self._carrier.value)

    def _begin(self) -> None:
        self._stage.tour(True)


class _TourBubble:
    """What the tour says, and what one can do about it."""

    def __init__(self, stage: Stage) -> None:
        self._shown: dict[str, Any] | None = None
        with (
            ui.element("section")
            .classes("r-tour")
            .props('data-testid="bubble" aria-label="guided tour"') as box
        ):
            self._text = ui.html("", sanitize=False, tag="p").props("aria-live=polite")
            with ui.element("div").classes("flex items-center gap-1 wrap"):
                self._count = ui.label().classes("n-small n-soft tabular grow")
                self._pause = ui.button(icon="pause", on_click=lambda: self._toggle(stage)).props(
                    'flat dense no-caps data-testid="tour-pause"'
                )
                ui.button("Next", icon="skip_next", on_click=stage.skip).props(
                    'flat dense data-testid="tour-next"'
                )
                ui.button("End", icon="close", on_click=partial(stage.tour, False)).props(
                    'flat dense data-testid="tour-end"'
                )
            self._share = ui.element("div").classes("r-share")
        self._box = box
        box.set_visibility(False)

    def show(self, state: dict[str, Any]) -> None:
        tour = state["tour"]
        if tour == self._shown:
            return
        self._shown = tour
        self._box.set_visibility(tour is not None)
        if tour is None:
            return
        self._text.set_content(tour["text"])
        self._count.text = f"{tour['step']} of {tour['steps']}"
        self._pause.text = "Go on" if tour["paused"] else "Pause"
        self._pause.props(f"icon={'play_arrow' if tour['paused'] else 'pause'}")
        self._share.style(f"transform: scaleX({tour['share']})")

    def _toggle(self, stage: Stage) -> None:
        stage.pause_tour(not (self._shown or {}).get("paused", False))


class _Acts:
    """What a person can be asked to do; a path is drawn on the plan."""

    def __init__(self, stage: Stage, plan: FloorPlan) -> None:
        self._stage, self._plan = stage, plan
        self._drawing = False
        self._pressed: str | None = None
        self._buttons: dict[str, ui.button] = {}
        ui.label(
            "Drag her on the plan, tap where she should go, or use the arrow keys. She walks, through the "
            "door and round the furniture."
        ).classes("n-soft n-small mb-2")
        with ui.element("div").classes("r-buttons"):
            self._path = ui.button("Path", icon="gesture", color=None, on_click=self._draw).props(
                'flat data-testid="act-path" aria-pressed=false'
            )
            ui.button("Come in", icon="login", color=None, on_click=_asked(self._come_in)).props(
                'flat data-testid="act-enter"'
            )
            for what, (icon, words) in _ACTS.items():
                self._buttons[what] = ui.button(
                    words, icon=icon, color=None, on_click=_asked(partial(stage.act, 0, what))
                ).props(f'flat data-testid="act-{what}" aria-pressed=false')
        plan.on("follow", lambda: self._set_drawing(False), args=[])

    def show(self, state: dict[str, Any]) -> None:
        doing = state["doing"]["0"]
        if doing == self._pressed:
            return
        self._pressed = doing
        for what, button in self._buttons.items():
            button.props(f"aria-pressed={'true' if what == doing and what in ('sit', 'read') else 'false'}")

    def _come_in(self) -> None:
        plan = self._stage.plan()
        self._stage.move(0, 0.5 * plan["size_m"][0], 0.6 * plan["size_m"][1])

    def _draw(self) -> None:
        self._set_drawing(not self._drawing)
        if self._drawing:
            ui.notify("Draw her way on the plan.")

    def _set_drawing(self, on: bool) -> None:
        self._drawing = on
        self._plan.draw_path(on)
        self._path.props(f"aria-pressed={'true' if on else 'false'}")


class _Switches:
    """Fan, curtain, cat, music; the lamp is the Routines' business."""

    def __init__(self, stage: Stage) -> None:
        self._wanted = {**stage.state()["on"], "music": stage.state()["music"]}
        self._switches: dict[str, ui.switch] = {}
        with ui.element("div").classes("r-switches"):
            for one in [*stage.plan()["switches"], {"id": "music", "label": "Music"}]:
                name = one["id"]
                switch = ui.switch(one["label"], value=self._wanted[name]).props(
                    f'data-testid="switch-{name}"'
                )
                switch.on_value_change(partial(self._turned, stage, name))
                self._switches[name] = switch
        self._lamp = ui.label().classes("mt-2").props('data-testid="lamp"')
        self._said = ui.label().classes("r-said n-soft n-small").props('data-testid="said"')
        ui.html(
            f'Two <a href="{url("/routines")}">Routines</a> switch the lamp. Change them as you like.',
            sanitize=False,
        ).classes("n-soft n-small")

    def show(self, state: dict[str, Any]) -> None:
        self._wanted = {**state["on"], "music": state["music"]}
        for name, on in self._wanted.items():
            if self._switches[name].value != on:
                self._switches[name].value = on
        self._lamp.text = "The lamp is lit." if state["lamp"] else "The lamp is dark."
        self._said.text = state["said"]

    def _turned(self, stage: Stage, name: str, change: Any) -> None:
        if change.value == self._wanted[name]:
            return  # shown, not asked for
        self._wanted[name] = change.value
        turn = stage.play if name == "music" else partial(stage.switch, name)
        _asked(turn)(change.value)
