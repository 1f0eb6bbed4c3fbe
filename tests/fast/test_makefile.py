"""Every target that users know does what its name says; nothing is run here, `make -n` prints what would be."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*words: str) -> str:
    """Return what make prints."""
    done = subprocess.run(
        ["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_help_is_the_default_and_names_every_target() -> None:
    """`make` alone lists each documented target with a line."""
    listed = {line.split()[1] for line in make().splitlines() if line.strip()}
    phony = (ROOT / "Makefile").read_text().split(".PHONY:")[1].split("\n\n")[0].replace("\\", "").split()
    assert listed == set(phony)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("demo", "mend demo"),
        ("setup", "mend setup"),
        ("install-deps", "ready: .venv"),
        ("dev-setup", "mend setup"),
        ("test", "-m pytest"),
        ("test-fast", "-m pytest tests/fast"),
        ("test-agent", "-m pytest -m agent"),
        ("test-dq", "-m pytest -m dq"),
        ("test-spark", "-m pytest -m spark"),
        ("test-coverage", "--cov-report=html"),
        ("fmt", "ruff format ."),
        ("lint", "lint-imports"),
        ("lint-fix", "ruff check --fix ."),
        ("debug", "mend doctor"),
        ("producer-test", "-m producer --rate 10 --duration 60 --late-rate 0.1 --drift-frequency 20"),
        ("spark-submit", "mend platform run step run_spark_job"),
        ("bench", "-m bench.all"),
        ("reset-data", "mend platform run reset-data"),
        ("acceptance", "tests/acceptance.py"),
        ("airflow", "mend airflow up"),
        ("airflow-env", "ready: .venv-airflow"),
        ("airflow-down", "mend airflow down"),
        ("airflow-trigger", "mend platform run airflow trigger"),
    ],
)
def test_a_target_runs_its_command(target: str, command: str) -> None:
    """The command behind each target."""
    assert command in make("-n", target)


def test_ci_test_formats_lints_and_tests() -> None:
    """`make ci-test` is the three together, in that order."""
    steps = make("-n", "ci-test")
    assert steps.index("ruff format .") < steps.index("lint-imports") < steps.index("-m pytest")


@pytest.mark.parametrize("area", ["agent", "dq", "spark"])
def test_an_area_has_tests(area: str) -> None:
    """A marker that no test carries would make its target pass on nothing."""
    files = (ROOT / "tests").rglob("test_*.py")
    assert any(f"pytestmark = pytest.mark.{area}" in path.read_text() for path in files)
