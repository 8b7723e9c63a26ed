"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[1]
#: Here time is real: nothing else of this folder runs meanwhile, and most of the others have ended.
LIVE = "tests/soundservers/"


class Together(LoadFileScheduling):  # type: ignore[misc]
    """Of several workers (pytest-xdist) one has all tests of a file, and one has all that run live."""

    def _split_scope(self, nodeid: str) -> str:
        return LIVE if nodeid.startswith(LIVE) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs live comes last."""
    items.sort(key=lambda item: item.nodeid.startswith(LIVE))


@pytest.fixture(autouse=True, scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests find out and remember is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.delenv("STATE_DIRECTORY", raising=False)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260)


@pytest.fixture
def plain_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model-free: for tests in which a single reflector moves, which a network does not take for a human."""
    monkeypatch.setenv("NOCTULE_MODEL__DETECTOR", "cfar")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings; they are not part of the project (licences), so tests skip without."""
    folder = Path(os.environ.get("NOCTULE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"real recordings are not at {folder} (set NOCTULE_SHARED_DATA)")
    return folder
