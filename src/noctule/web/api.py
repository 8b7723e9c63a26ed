"""REST under `/api/v1`: an application of its own, so that everything in it answers in JSON.

Start at `make_api`. Routines are in api_routines.py, the past in api_history.py, the stream in live.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.requests import HTTPConnection

from noctule import __version__
from noctule.audio.devices import DeviceList
from noctule.calibrate.calibration import Calibration
from noctule.core.errors import NoctuleError
from noctule.service.service import Service
from noctule.service.support import mask_secrets
from noctule.web import api_models as models
from noctule.web.words import present_answer

#: Every operation may end so.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": models.Problem} for status in (400, 401, 403, 404, 405, 409, 413, 421, 422, 500, 503)
}
#: Set through the page or `noctule password`, never through a token.
_NOT_HERE = {"web": {"password_hash"}}


def _service(connection: HTTPConnection) -> Service:
    service: Service = connection.scope["noctule.service"]
    return service


Here = Annotated[Service, Depends(_service)]


@contextlib.contextmanager
def refused(status: int) -> Iterator[None]:
    """What noctule cannot do, as an answer with this status."""
    try:
        yield
    except NoctuleError as error:
        raise HTTPException(status, str(error)) from None


router = APIRouter()


@router.get("/state")
async def state(service: Here) -> models.State:
    """Everything at a glance."""
    record, health, now = service.bus.latest("record"), service.health(), present_answer(service)
    found = service.calibration()
    return models.State(
        version=__version__,
        started=service.started,
        answer=models.Answer(mood=now.mood, words=now.words, more=now.more),
        muted=service.muted,
        health=models.HealthNow(state=health.state, reason=health.reason, sensing=health.sensing),
        record=record,
        emission=record and models.Emission(**_emission(record)),
        calibration=found and models.CalibrationSummary(**found.model_dump(), verdict=found.verdict()),
        model=f"{service.model['name']} {service.model['version']}" if service.model else "cfar",
    )


def _emission(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "emitting": record["emitting"],
        "level_dbfs": record["level_dbfs"],
        "share_of_last_hour": record["emission_share"],
    }


@router.get("/settings")
async def settings(service: Here) -> models.SettingsNow:
    """The whole tree."""
    return models.SettingsNow(settings=mask_secrets(service.settings.model_dump(mode="json")))


@router.patch("/settings")
async def change_settings(
    service: Here, changes: Annotated[models.SettingsChange, Body()]
) -> models.SettingsChanged:
    """Change some; they are written to the settings file. null: the default."""
    for section, keys in _NOT_HERE.items():
        for key in keys & changes.get(section, {}).keys():
            raise HTTPException(
                403, f"{section}.{key} is set by `noctule password`, or on the page of settings"
            )
    with refused(422):
        changed = service.change_settings(changes)
    return models.SettingsChanged(
        settings=mask_secrets(changed.settings.model_dump(mode="json")),
        restarted=changed.restarted,
        at_next_start=list(changed.at_next_start),
    )


@router.post("/mute")
async def mute(service: Here, wanted: models.Mute) -> models.Muted:
    """Neither sound nor listen, or do both again."""
    service.mute(wanted.on)
    return models.Muted(muted=service.muted)


@router.get("/calibration")
async def calibration(service: Here) -> Calibration:
    """Of the present devices."""
    return _calibration(service)


@router.get("/calibration.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
async def calibration_picture(service: Here) -> Response:
    """What comes back at each frequency, and the noise."""
    from noctule.calibrate.picture import as_svg

    return Response(as_svg(_calibration(service)), media_type="image/svg+xml")


def _calibration(service: Service) -> Calibration:
    found = service.calibration()
    if found is None:
        raise HTTPException(404, "these devices are not calibrated")
    return found


@router.post("/calibrate")
async def calibrate(service: Here) -> Calibration:
    """Calibrate now; takes some ten seconds, in which nothing is sensed."""
    with refused(409):
        return await service.calibrate()


class Diagnosis(BaseModel):
    """What the checks found."""

    status: str
    sensing_possible: bool
    checks: list[dict[str, Any]]
    carrier_hz: float | None
    true_bandwidth_hz: float
    carrier_snr_db: list[float]


@router.post("/examine")
async def examine(service: Here) -> Diagnosis:
    """Check the hardware now, as `noctule doctor` does; nothing is sensed meanwhile."""
    with refused(409):
        found = await service.examine()
    return Diagnosis(**found.as_record())


@router.get("/devices")
async def devices(service: Here) -> DeviceList:
    """Sound devices of this machine."""
    with refused(409):
        return await service.devices()


@router.get("/presets")
async def presets(service: Here) -> models.Presets:
    """Sensitivities of the model in use, with what was measured of them."""
    model = service.model or {"presets": {}, "default_preset": None}
    sensitivity = service.settings.presence.trigger_sensitivity
    found = [
        models.Preset(
            name=name,
            trigger_sensitivity=preset["trigger_sensitivity"],
            false_alarms_per_day=preset["measured"]["false_alarms_per_day"],
            onsets_found_within_1_s=preset["measured"]["onsets_found_within_1_s"],
            measured_on=preset["measured"]["on"],
        )
        for name, preset in model["presets"].items()
    ]
    present = next((one.name for one in found if one.trigger_sensitivity == sensitivity), None)
    return models.Presets(presets=found, default=model["default_preset"], present=present)


@router.get("/support", response_class=FileResponse, responses={200: {"content": {"application/zip": {}}}})
async def support(service: Here) -> FileResponse:
    """A bundle for a bug report, without secrets, events in detail, or sound."""
    folder = tempfile.TemporaryDirectory(prefix="noctule-support-")
    path = Path(folder.name) / "noctule-support.zip"
    with refused(409):
        await asyncio.to_thread(service.support_bundle, path)
    return FileResponse(
        path, media_type="application/zip", filename=path.name, background=BackgroundTask(folder.cleanup)
    )


def make_api() -> FastAPI:
    """The application to be mounted; the guard has to have put the service into the scope."""
    from noctule.web import api_history, api_routines, live

    api = FastAPI(
        title="noctule",
        version=__version__,
        summary="A motion and presence sensor made of any loudspeaker and microphones",
        docs_url=None,  # both load scripts from elsewhere
        redoc_url=None,
        responses=PROBLEMS,
        separate_input_output_schemas=False,
    )
    for part in (router, api_history.router, api_routines.router, api_routines.home_router, live.router):
        api.include_router(part)
    api.add_exception_handler(NoctuleError, _cannot)
    api.add_exception_handler(RequestValidationError, not_understood)
    api.add_exception_handler(Exception, _mistake)
    return api


async def _cannot(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 409)


async def not_understood(request: Request, error: Exception) -> Response:
    """What was sent is not what was asked for: where, and why, in one line."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return JSONResponse({"detail": f"{where}: {first['msg']}" if where else str(first["msg"])}, 422)


async def _mistake(request: Request, error: Exception) -> Response:
    """It is logged as well: starlette raises it again."""
    return JSONResponse({"detail": f"a mistake of noctule's: {type(error).__name__}"}, 500)
