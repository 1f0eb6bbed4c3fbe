"""How long `agent/decision_agent.py` takes to decide by rules, against a bare Python that does nothing."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from agent.testing import AUDIT, REPORT
from bench.measure import Wish, compare, show, wish
from bench.startup import peer, seconds

PROGRAM = Path(__file__).parents[1] / "agent" / "decision_agent.py"


def measure(asked: Wish) -> dict[str, Any]:
    """Compare after one run of each: a healthy run is decided about, and its decision written down."""
    with TemporaryDirectory() as folder:
        report, audit = Path(folder, "run_report.json"), Path(folder, "ge_results.json")
        report.write_bytes(orjson.dumps(REPORT))
        audit.write_bytes(orjson.dumps(AUDIT))
        command = [sys.executable, str(PROGRAM), "--run-report", str(report), "--ge-results", str(audit)]

        def ours() -> float:
            return seconds(command)

        ours(), peer()
        return compare("decision_agent", "with rules <= 1.0 s", "s", ours, peer, 5 if asked.quick else 15)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
