"""Routines: read, written, tried; and the home they live in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path, Query, Response
from pydantic import JsonValue

from noctule.routines.schema import Routine
from noctule.routines.settings import machine_zone
from noctule.service.home_changes import told_of
from noctule.service.service import Service
from noctule.web import api_models as models
from noctule.web.api import Here, refused

router, home_router = APIRouter(prefix="/routines"), APIRouter(prefix="/home")

Tree = dict[str, JsonValue]
Id = Annotated[str, Path(max_length=100)]


@home_router.get("")
async def home(service: Here) -> models.HomeNow:
    """Place, broker, services: the `home` of the file of Routines."""
    return models.HomeNow(home=told_of(service.automation.home), machine_time_zone=machine_zone())


@home_router.patch("")
async def change_home(service: Here, changes: Annotated[models.HomeChange, Body()]) -> models.HomeNow:
    """Change some of it, tables key by key; written to the file, and it holds at once."""
    with refused(422):
        service.automation.change_home(changes)
    return await home(service)


@router.get("")
async def routines(service: Here) -> models.Routines:
    """All, in their order."""
    known = service.automation
    return models.Routines(
        routines=[one.as_tree() for one in known.routines], warnings=known.warnings(), problem=known.problem
    )


@router.post("", status_code=201)
async def add(service: Here, routine: Routine) -> Tree:
    """A new one; it holds at once."""
    _no_other(service, routine)
    with refused(409):
        service.automation.put(routine)
    return routine.as_tree()


@router.get("/log")
async def log(service: Here, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[models.Said]:
    """Why they ran or did not, and what became of their actions; newest last."""
    return [models.Said(**entry) for entry in list(service.automation.log)[-limit:]]


@router.get("/export", response_class=Response, responses={200: {"content": {"application/yaml": {}}}})
async def export(service: Here) -> Response:
    """All, as the text of a file."""
    return Response(
        service.automation.export_text(),
        media_type="application/yaml",
        headers={"Content-Disposition": 'attachment; filename="routines.yaml"'},
    )


@router.post("/import")
async def import_(service: Here, given: models.Import) -> list[Tree]:
    """Add those of a file's text, or have them instead; one with the same id or name gives way."""
    with refused(422):
        return [one.as_tree() for one in service.automation.import_text(given.text, given.replace)]


@router.get("/{id}")
async def routine(service: Here, id: Id) -> Tree:
    """One of them."""
    return _find(service, id).as_tree()


@router.put("/{id}")
async def change(service: Here, id: Id, routine: Routine) -> Tree:
    """Another in its place; it keeps the id, and so its timers."""
    _find(service, id)
    kept = routine.model_copy(update={"id": id})
    _no_other(service, kept, but=id)
    with refused(409):
        service.automation.put(kept)
    return kept.as_tree()


@router.delete("/{id}", status_code=204)
async def remove(service: Here, id: Id) -> None:
    """It is gone."""
    _find(service, id)
    with refused(409):
        service.automation.remove(id)


@router.post("/{id}/test")
async def test(service: Here, id: Id) -> list[models.Said]:
    """Do now what it does, whatever its conditions say."""
    done = await service.automation.test(_find(service, id))
    return [models.Said(**one.as_record(), text=one.text) for one in done]


@router.post("/{id}/would-run")
async def would_run(service: Here, id: Id) -> models.Said:
    """What would become of it if what it waits for happened now, and every reason."""
    verdict = service.automation.would_run(_find(service, id))
    return models.Said(**verdict.as_record(), text=verdict.text)


def _find(service: Service, id: str) -> Routine:
    for one in service.automation.routines:
        if one.id == id:
            return one
    raise HTTPException(404, f"there is no Routine '{id}'")


def _no_other(service: Service, routine: Routine, but: str | None = None) -> None:
    """No two have the same id or name."""
    for one in service.automation.routines:
        if one.id != but and (one.id == routine.id or one.name == routine.name):
            raise HTTPException(409, f"there is a Routine '{one.name}' already")
