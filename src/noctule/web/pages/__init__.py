"""The pages, in the order in which they stand in the navigation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from noctule.service.service import Service
from noctule.web.pages import health, now, room, routines, settings, setup, timeline

__all__ = ["PAGES", "Page", "pages_of"]


@dataclass(frozen=True)
class Page:
    """One page. `build` makes what stands inside `theme.frame`; `icon` is a Material icon."""

    path: str
    title: str
    icon: str
    build: Callable[[Service], None]


PAGES = (
    Page("/", "Now", "sensors", now.build),
    Page("/room", "Room", "meeting_room", room.build),
    Page("/timeline", "Timeline", "timeline", timeline.build),
    Page("/routines", "Routines", "bolt", routines.build),
    Page("/setup", "Set-up", "tune", setup.build),
    Page("/status", "Health", "monitor_heart", health.build),
    Page("/settings", "Settings", "settings", settings.build),
)


def pages_of(service: Service) -> list[Page]:
    """Those that this service has: the simulated room is there in the demo alone."""
    return [page for page in PAGES if page.path != "/room" or service.stage is not None]
