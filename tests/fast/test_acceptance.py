"""The map from promises to tests is itself held to be right."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).parent.parent


def load() -> ModuleType:
    """Load the program beside the map."""
    spec = importlib.util.spec_from_file_location("acceptance", TESTS / "acceptance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_claim_is_of_a_known_row_and_names_tests_that_exist() -> None:
    """A row that nobody knows, a test that is gone, or a row claimed twice fails here."""
    acceptance = load()
    assert acceptance.problems(acceptance.read_claims(), acceptance.known_rows()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("S9-001: [tests/fast/test_acceptance.py::test_wrong_claims_are_found]", "no known row"),
        ("S2-001: [tests/fast/test_acceptance.py::test_that_is_not_there]", "no test"),
        ("S2-001: [tests/fast/no_such_file.py::test_x]", "no test"),
        ("S2-001: []", "names no test"),
        ("S2-001: done", "write tests"),
        ("S2-001: 'skipped: no'", "write tests"),
        ("S2-001: 'skipped: this is done by another part, see there'\nS2-001: []", "claimed 2 times"),
    ],
)
def test_wrong_claims_are_found(tmp_path: Path, text: str, said: str) -> None:
    """Each kind of wrong claim is named."""
    acceptance = load()
    path = tmp_path / "acceptance.yml"
    path.write_text(text)
    assert any(said in line for line in acceptance.problems(acceptance.read_claims(path), {"S2-001"}))
