"""Whether the ledger and the report say the same as manifest and files."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mend.proof.facts import Finding, Partition, Run, Statement, at


def disagreements(run: Run, counts: Mapping[Partition, Counter[str]], said: Sequence[Statement]) -> Iterator[Finding]:
    """Compare ledger and report with the manifest's ranges and with the counts of the files."""
    spans = {span.where: (span.start, span.end, span.records) for span in run.spans}
    for source in sorted({one.source for one in said}):
        told = {one.where: one for one in said if one.source == source}
        for where in sorted(spans.keys() | told.keys()):
            one, span = told.get(where), spans.get(where)
            if one is None or span != (one.start, one.end, one.records):
                came = one and (one.start, one.end, one.records)
                yield at(where, source, f"the {source} says (from, until, records) {came}, the manifest {span}")
                continue
            there = counts.get(where, Counter()) + Counter(run.retired.get(where, {}))
            there["accepted"] = there["published"] + there["held"]
            for place, rows in one.places.items():
                if there[place] != rows:
                    yield at(where, source, f"the {source} says {rows} {place}, the files have {there[place]}")
