"""Requests over HTTP, as actions and announcements make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from noctule.routines.tools import ActionError

if TYPE_CHECKING:
    import httpx

MOST_REDIRECTS = 5
#: Nobody's answer is this long; it is kept in memory.
MOST_BYTES = 1_000_000


async def request(method: str, url: str, **options: Any) -> httpx.Response:
    """One request and its answer, the body read up to `MOST_BYTES`.

    Redirects are followed within the scheme: who asked for https is not sent to http, and nobody to
    `file:`. Cookies and authorisation are not carried to another host (httpx sees to that). The time it may
    take is the caller's: an action is ended as a whole.

    Raises
    ------
    ActionError
        No answer, a status of 400 or above, or a redirect that is not followed. Names the host alone, for
        addresses hold secrets.
    """
    import httpx

    name = host_of(url)
    try:
        async with httpx.AsyncClient(timeout=30.0) as client:
            asked = client.build_request(method, url, **options)
            for _ in range(MOST_REDIRECTS + 1):
                answer = await client.send(asked, stream=True)
                try:
                    if answer.next_request is None:
                        return await _read(answer, name)
                    if answer.next_request.url.scheme != asked.url.scheme:
                        raise ActionError(
                            f"{name} sends us on to {answer.next_request.url.scheme}, which is refused: "
                            "write the address it leads to"
                        )
                    asked = answer.next_request
                finally:
                    await answer.aclose()
    except httpx.InvalidURL as error:
        raise ActionError(f"{name}: no usable address ({error})") from None
    except httpx.HTTPError as error:
        raise ActionError(f"{name} does not answer ({str(error) or type(error).__name__})") from None
    raise ActionError(f"{name} redirects more than {MOST_REDIRECTS} times")


async def _read(answer: httpx.Response, name: str) -> httpx.Response:
    if answer.status_code >= 400:
        raise ActionError(f"{name} answered {answer.status_code} {answer.reason_phrase}")
    body = b""
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > MOST_BYTES:
            raise ActionError(f"{name} answers with more than {MOST_BYTES} bytes")
    import httpx

    return httpx.Response(answer.status_code, content=body)


async def get_json(url: str, parameters: Mapping[str, str]) -> Any:
    """The JSON behind an address."""
    answer = await request("GET", url, params=parameters)
    try:
        return answer.json()
    except ValueError:
        raise ActionError(f"{host_of(url)} answers with something that is no JSON") from None


def host_of(url: str) -> str:
    """Scheme and host: what of an address may be shown."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return url.partition(":")[0]
