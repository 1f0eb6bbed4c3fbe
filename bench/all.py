"""Run every bench, one after the other, and renew the table in bench/README.md."""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench import (
    airflow,
    audit,
    avro,
    consumer,
    data_path,
    decide,
    decision_agent,
    empty_run,
    fingerprints,
    latency,
    matrix_check,
    orders,
    outbox,
    producer,
    prove,
    raw_read,
    remap,
    startup,
    steps,
    undo,
)
from bench.measure import Wish, show, wish

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- table: written by make bench -->", "<!-- end of table -->"
BENCHES: tuple[Callable[[Wish], dict[str, Any]], ...] = (
    startup.measure,
    decide.measure,
    matrix_check.measure,
    decision_agent.measure,
    producer.measure,
    audit.measure,
    prove.measure,
    data_path.measure,
    steps.measure,
    airflow.measure,
    avro.measure,
    raw_read.measure,
    consumer.measure,
    orders.measure,
    empty_run.measure,
    latency.measure,
    fingerprints.measure,
    undo.measure,
    outbox.measure,
    remap.measure,
)


def main() -> int:
    """Measure and write; each result is printed when it is there."""
    asked = wish(__doc__ or "")
    results = []
    for measure in BENCHES:
        results.append(measure(asked))
        show(results[-1], as_json=asked.json)
    if not asked.quick:
        write_table(results)
    return 0


def write_table(results: list[dict[str, Any]]) -> None:
    """Replace the table of the document."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", encoding="utf-8")


def table(results: list[dict[str, Any]]) -> str:
    """Write the results as rows."""
    head = "| bench | target | ours | peer | ratio ours/peer | pairs | cores |\n|---|---|---:|---:|---:|---:|---:|"
    return "\n".join([head, *(row(one) for one in results)])


def row(result: dict[str, Any]) -> str:
    """Write one result: medians of both sides, and the median of the pairs' ratios."""
    ours, peer = (median(pair[side] for pair in result["runs"]) for side in ("ours", "peer"))
    return (
        f"| {result['name']} | {result['target']} | {ours:,.4g} {result['unit']} | {peer:,.4g} {result['unit']} "
        f"| {result['median_ratio']} | {len(result['runs'])} | {result['cores']} |"
    )


if __name__ == "__main__":
    sys.exit(main())
