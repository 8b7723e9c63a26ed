"""A house without a password, one for each file of tests, and a browser where one is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.web.browser import CHROMIUM, Served, chromium, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: A capture is complete soon.
STORE = {"capture_before_s": 1.0, "capture_after_s": 0.5}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It is on loopback and asks nobody for a password."""
    folder = tmp_path_factory.mktemp("home")
    with served(folder, store={"folder": folder, **STORE}) as one:
        yield one


@pytest.fixture
def api(home: Served) -> Iterator[httpx.Client]:
    """A client of its API."""
    with httpx.Client(base_url=f"{home.url}/api/v1", timeout=20.0) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real one, without a window."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("NOCTULE_REQUIRE_SOUNDSERVERS") == "1":
            pytest.fail(f"{CHROMIUM} is missing, and everything is to be tested here")
        pytest.skip(f"{CHROMIUM} is not installed")
    with chromium() as one:
        yield one
