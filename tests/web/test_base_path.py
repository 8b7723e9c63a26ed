"""The app under a path that the settings name."""

from __future__ import annotations

from pathlib import Path

import httpx
from tests.web.browser import served


def test_a_path_in_the_settings_needs_no_proxy_that_takes_it_away(tmp_path: Path) -> None:
    with served(tmp_path, web={"base_path": "/noctule"}) as one:
        assert httpx.get(f"{one.url}/noctule").headers["location"] == "/noctule/"
        for path in ("/noctule/", "/"):
            page = httpx.get(one.url + path)
            assert page.status_code == 200
            assert '"/noctule/_nicegui/' in page.text
        assert httpx.get(f"{one.url}/noctule/api/v1/state").status_code == 200
        assert httpx.get(f"{one.url}/noctule/static/noctule.css").status_code == 200
