"""The DAG file as text, without Airflow: what it imports, and the lock of what it runs on."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
DAG_FILE = ROOT / "airflow" / "dags" / "pipeline_dag.py"
LIGHT = {"airflow", "__future__"}


def test_the_dag_imports_nothing_of_ours_and_nothing_heavy() -> None:
    """Airflow reads the file again and again: only Airflow and what comes with Python is imported."""
    import sys

    found = set()
    for node in ast.walk(ast.parse(DAG_FILE.read_text(encoding="utf-8"))):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[0] for name in names}
    assert found - LIGHT <= sys.stdlib_module_names
    assert "airflow" in found


def test_airflow_has_no_package_of_ours() -> None:
    """A package of that name here would hide Airflow itself."""
    assert not list((ROOT / "airflow").rglob("__init__.py"))


def test_the_locks_name_no_host_and_check_what_they_fetch() -> None:
    """Each package of Airflow's environment is pinned with the hashes of its files, and no index stands in it."""
    text = (ROOT / "requirements" / "airflow.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line and line.endswith("\\") for line in pins)
    assert any(line.startswith("apache-airflow==3.3.") for line in pins)
