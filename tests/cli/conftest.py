"""Fixtures of the command line's tests."""

from __future__ import annotations

import pytest
from tests.cli.command import Command, Done

from noctule.cli import main


@pytest.fixture
def noctule(capfd: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, *capfd.readouterr())

    return run
