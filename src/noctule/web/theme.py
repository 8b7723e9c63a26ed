"""What every page looks like: colours, the frame around it, and the few parts that all pages use.

Colours and sizes are variables of `static/noctule.css` (`--n-ink`, `--n-accent`, ...), which also has the
classes. Tailwind is off: it costs each page a second. Use those classes, or `.style(...)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nicegui import ui

from noctule import __version__
from noctule.web.follow import follow
from noctule.web.words import Answer, duration_text, present_answer, when_text

if TYPE_CHECKING:
    from noctule.service.service import Service

__all__ = ["card", "chip", "duration_text", "empty", "fact", "follow", "frame", "note", "url", "when_text"]

#: The header follows the sensor.
LOOK_EVERY_S = 0.5
#: The choice of light or dark: "1" is dark, "0" light; none follows the system.
DARK_COOKIE = "noctule-dark"
_TOGGLE_DARK = f"""
    const dark = !Quasar.Dark.isActive;
    Quasar.Dark.set(dark);
    const path = window.path_prefix || '/';
    document.cookie = `{DARK_COOKIE}=${{dark ? 1 : 0}};path=${{path}};max-age=31536000;samesite=strict`;
    emit(dark);
"""


def url(path: str) -> str:
    """A path of ours as the browser has to ask for it, also behind a proxy that serves us under a path."""
    request = ui.context.client.request
    return f"{request.scope.get('root_path', '')}{path}"


@contextmanager
def frame(service: Service, title: str) -> Iterator[None]:
    """Header with the sensor's answer, navigation, and a place for the page, whose heading is `title`."""
    ui.add_head_html(
        f'<link rel="stylesheet" href="{url("/static/noctule.css")}?{__version__}">'
        '<meta name="theme-color" content="#191c42">'
    )
    choice = ui.context.client.request.cookies.get(DARK_COOKIE)
    dark = ui.dark_mode({"1": True, "0": False}.get(choice or ""))
    ui.page_title(f"{title} · noctule")
    _header(service, dark)
    _navigation(service, title)
    with ui.element("div").classes("n-content"), ui.element("main").classes("n-page"):
        ui.html(title, sanitize=False, tag="h1").classes("n-title")
        yield


def _header(service: Service, dark: ui.dark_mode) -> None:
    with ui.element("header").classes("n-header"):
        with ui.element("a").props(f'href="{url("/")}" aria-label="noctule, now"').classes("n-home"):
            ui.element("img").props(f'src="{url("/static/logo.svg")}" alt=""')
            ui.label("noctule").classes("n-name")
        ui.element("div").classes("n-space")
        state = ui.element("div").classes("n-state").props('role=status data-testid="state"')
        with state:
            ui.element("i").classes("n-dot")
            words = ui.element("span")
            with words:
                text = ui.label().style("display: inline")
            more = ui.tooltip("")

        def turn() -> None:
            service.mute(not service.muted)
            show()

        mute = ui.button(color=None, on_click=turn).props('flat round data-testid="mute"')
        ui.button(icon="contrast", color=None).props(
            'flat round aria-label="light or dark" data-testid="dark"'
        ).on(
            "click",
            # the element says its value again whenever anything on the page changes
            lambda event: dark.set_value(event.args),
            js_handler=f"() => {{ {_TOGGLE_DARK} }}",
        )
    shown: list[Answer] = []

    def show() -> None:
        now = present_answer(service)
        if shown == [now]:
            return
        if [(one.mood, one.words) for one in shown] != [(now.mood, now.words)]:
            state.props(f"data-mood={now.mood}")
            text.text = now.words if now.mood != "trouble" else f"{now.words}: {now.more}"
            mute.props(
                f"icon={'volume_off' if now.mood == 'muted' else 'volume_up'} "
                f'aria-label="{"listen again" if now.mood == "muted" else "mute"}"'
            )
            mute.classes(add="n-on") if now.mood == "muted" else mute.classes(remove="n-on")
        more.text = now.more
        shown[:] = [now]

    show()
    ui.timer(LOOK_EVERY_S, show)  # the reason changes with almost every record


def _navigation(service: Service, title: str) -> None:
    from noctule.web.pages import pages_of

    with ui.element("nav").classes("n-nav").props('aria-label="pages"'):
        for page in pages_of(service):
            current = "aria-current=page" if page.title == title else ""
            link = ui.element("a").props(f'href="{url(page.path)}" {current} data-testid="go-{page.path}"')
            with link:
                ui.icon(page.icon).props("aria-hidden=true")
                ui.html(page.title, sanitize=False, tag="span")


@contextmanager
def card(title: str | None = None, classes: str = "") -> Iterator[ui.element]:
    """A sheet with a heading."""
    with ui.element("section").classes(f"n-card {classes}") as sheet:
        if title:
            ui.html(title, sanitize=True, tag="h2")
        yield sheet


@contextmanager
def facts() -> Iterator[None]:
    """A grid of `fact`."""
    with ui.element("dl").classes("n-facts").style("margin: 0"):
        yield


def fact(name: str, value: str = "") -> ui.label:
    """A name and its value; set `.text` of what is returned to change it."""
    with ui.element("div").classes("n-fact"):
        with ui.element("dt"):
            ui.label(name)
        with ui.element("dd"):
            return ui.label(value)


def chip(text: str, mood: str = "") -> ui.label:
    """A word with a colour: present, absent, trouble, warning, good, or none."""
    return ui.label(text).classes(f"n-chip {mood}")


def note(text: str, mood: str = "") -> ui.label:
    """A line that is to be noticed: warning, trouble, or none."""
    return ui.label(text).classes(f"n-note {mood}")


def empty(text: str, icon: str = "bedtime") -> None:
    """Instead of a list in which there is nothing yet."""
    with ui.element("div").classes("n-empty"):
        ui.icon(icon).props("aria-hidden=true")
        ui.label(text)
