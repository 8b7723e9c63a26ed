"""The API against its own description: whatever is sent, it answers as it says, and never breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.web.browser import Served, served
from tests.web.conftest import STORE

from noctule.web.api import make_api

pytestmark = [pytest.mark.slow]

#: Of each operation, with what the description allows and with what it does not.
EXAMPLES = 15
#: What is asked of every answer.
ASKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
DESCRIPTION = make_api().openapi()
#: A bundle takes a second each time, and test_api.py reads one.
OPERATIONS = [
    (path, verb, mode)
    for path, verbs in DESCRIPTION["paths"].items()
    for verb, operation in verbs.items()
    for mode in GenerationMode
    if path != "/support"
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & operation.keys()
]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A house in which no Routine runs: what is made up here must not reach the net."""
    folder = tmp_path_factory.mktemp("home")
    with served(folder, store={"folder": folder, **STORE}, routines={"enabled": False}) as one:
        one.house.walk_past()
        yield one


@pytest.mark.parametrize(("path", "verb", "mode"), OPERATIONS)
def test_it_does_what_its_description_says(quiet: Served, path: str, verb: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(DESCRIPTION)

    @given(case=schema[path][verb.upper()].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case: Case[Any]) -> None:
        case.call_and_validate(base_url=f"{quiet.url}/api/v1", checks=ASKED)

    ask()
