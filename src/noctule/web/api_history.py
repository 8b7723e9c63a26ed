"""What was: events, what they really were, decisions, health."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import FileResponse
from pydantic import AwareDatetime

from noctule.core.errors import NoctuleError
from noctule.core.power import LOWEST_DB, STEP_DB
from noctule.service.history import History
from noctule.service.service import Service
from noctule.web import api_models as models
from noctule.web.api import Here, refused

router = APIRouter()

#: What a number of an event can be.
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Since = Annotated[AwareDatetime | None, Query(description="with a time zone")]
T = TypeVar("T")


def _history(service: Service) -> History:
    if service.memory is None:
        raise HTTPException(409, "nothing is kept: `store.enabled` is false")
    return service.memory.history


async def _read(question: Callable[[], T]) -> T:
    """SQLite makes its caller wait."""
    try:
        return await asyncio.to_thread(question)
    except NoctuleError as error:
        raise HTTPException(503, str(error)) from None


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


@router.get("/events")
async def events(
    service: Here,
    since: Since = None,
    until: Since = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[models.Event]:
    """The newest, oldest first; those that went on at `since` as well."""
    history = _history(service)
    found = await _read(lambda: history.events(_ms(since), _ms(until), limit))
    return [models.Event(**one) for one in found]


@router.get("/events/{number}")
async def event(service: Here, number: Number) -> models.Event:
    """One of them."""
    return models.Event(**await _event(service, number))


async def _event(service: Service, number: int) -> dict[str, Any]:
    history = _history(service)
    found = await _read(lambda: history.events(event_id=number))
    if not found:
        raise HTTPException(404, f"there is no event {number}")
    return found[0]


@router.put("/events/{number}/label")
async def label(service: Here, number: Number, label: models.Labelled) -> models.Event:
    """Say what it really was; the last word counts."""
    await _event(service, number)
    with refused(409):
        await service.label(number, label.what)
    return models.Event(**await _event(service, number))


@router.delete("/events/{number}/label")
async def unlabel(service: Here, number: Number) -> models.Event:
    """Nobody knows what it really was."""
    await _event(service, number)
    with refused(409):
        await service.label(number, None)
    return models.Event(**await _event(service, number))


@router.get(
    "/events/{number}/capture",
    responses={200: {"content": {"application/octet-stream": {}}}},
    response_model=models.CaptureRows,
)
async def capture(
    service: Here, number: Number, form: Literal["json", "npz"] = "json"
) -> Response | models.CaptureRows:
    """What was kept of the signal: Doppler around its start, or the whole file for NumPy."""
    name = (await _event(service, number))["capture"]
    path = service.memory.captures.path_of(name) if name and service.memory else None
    if path is None:
        raise HTTPException(404, f"nothing is kept of event {number}")
    if form == "npz":
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)
    found = await _read(lambda: service.capture(name))
    if found is None:
        raise HTTPException(404, f"nothing is kept of event {number}")
    return models.CaptureRows(
        event=found.about["event"],
        event_s=found.about["event_s"],
        carrier_hz=found.about["carrier_hz"],
        lowest_db=LOWEST_DB,
        step_db=STEP_DB,
        velocity_mps=[round(float(one), 3) for one in found.velocity_mps],
        time_s=found.time_s.tolist(),
        rows=found.clean.tolist(),
    )


@router.get("/decisions")
async def decisions(
    service: Here,
    since: Since = None,
    until: Since = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> list[models.Decision]:
    """In the order they were made; of the last hour where nothing else is said."""
    history = _history(service)
    end = until or datetime.now(UTC) + timedelta(seconds=1)
    begin_ms = _ms(since) if since else round(end.timestamp() * 1000) - 3_600_000
    found = await _read(lambda: history.decisions(begin_ms or 0, _ms(end) or 0, limit))
    return [models.Decision(**one) for one in found]


@router.get("/health")
async def health(service: Here, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> models.Health:
    """Now, and the last changes."""
    report, memory = service.health(), service.memory
    changes = await _read(lambda: memory.history.health(limit)) if memory else []
    return models.Health(
        state=report.state,
        reason=report.reason,
        sensing=report.sensing,
        changes=[models.HealthChange(**one) for one in changes],
    )
