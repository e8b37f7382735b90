"""The direction of imports between the operator's rooms."""

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

CONFIGURATION = Path(__file__).parents[3] / "operator/.importlinter"


def test_rooms_import_in_one_direction() -> None:
    assert lint_imports(config_filename=str(CONFIGURATION), no_cache=True) == EXIT_STATUS_SUCCESS
