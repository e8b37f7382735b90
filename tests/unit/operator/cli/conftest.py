"""The command is run in the tests' own process here."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """The command silences the logs of libraries; the tests after it want theirs."""
    yield
    logging.disable(logging.NOTSET)
