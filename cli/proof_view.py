"""What a terminal shows of a proof: each partition with its counts, and what was found."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.run_view import Plain
from cli.wording import NOT_KNOWN, age, clean, clip, count, plural
from mend.proof.facts import PLACES
from mend.proof.prove import Proof, Proven
from mend.store.proofs import Verified
from orchestration.prove import Certificate

LABELS = ("published", "held", "rejected", "dead", "duplic.")
FINDINGS_SHOWN = 10


def shown(certificate: Certificate) -> RenderableType:
    """Return the certificate, or the findings."""
    proof = certificate.proof
    tone = "green" if proof.holds else "red"
    parts: list[RenderableType] = [Text(headline(proof), style=f"bold {tone}")]
    if proof.partitions:
        parts += [
            Text(),
            partitions(proof.partitions, {(one.pipeline, one.topic, one.partition) for one in proof.findings}),
        ]
    for one in proof.findings[:FINDINGS_SHOWN]:
        parts += [Text(), Text(f"✗ {clean(one)}", style="red")]
    if len(proof.findings) > FINDINGS_SHOWN:
        parts.append(Text(f"and {len(proof.findings) - FINDINGS_SHOWN} more: mend prove --json"))
    if proof.not_settled:
        names = ", ".join(f"{clip(run_id, 44)} ({state})" for run_id, state in proof.not_settled[:FINDINGS_SHOWN])
        parts += [Text(), Text(f"not settled yet: {names}", style="yellow")]
    parts += [Text(f"note: {clean(one)}", style="yellow") for one in certificate.notes]
    title = Text("proof" if proof.holds else "no proof")
    return Plain(Panel(Group(*parts), title=title, title_align="left", border_style=tone, padding=(0, 1)))


def headline(proof: Proof) -> str:
    """Say in a line what was proven."""
    read = f"{plural(proof.runs, 'run')}, {plural(proof.offsets, 'event')}"
    if proof.holds:
        return f"✓ every offset read is in exactly one place ({read} read from the files)"
    return f"✗ {plural(len(proof.findings), 'finding')} ({read} read from the files)"


def partitions(rows: Iterable[Proven], found: set[tuple[object, object, object]]) -> Table:
    """Return a table with a line for each partition; columns without a figure are left out."""
    rows = list(rows)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("partition", overflow="fold")
    used = [
        (place, label)
        for place, label in zip(PLACES, LABELS, strict=True)
        if any(one.counts.get(place) for one in rows)
    ]
    more = [name for name in ("retired", "lost", "waiting") if any(getattr(one, name) for one in rows)]
    for name in ("from", "verified", "until", *(label for _, label in used), *more):
        table.add_column(name, justify="right", no_wrap=True)
    for one in rows:
        wrong = (one.pipeline, one.topic, one.partition) in found or one.verified_through < one.until_offset
        table.add_row(
            Text(clean(f"{one.topic}/{one.partition}")),
            plain(one.from_offset),
            Text(plain(one.verified_through), style="red" if wrong else "green"),
            plain(one.until_offset),
            *(count(one.counts.get(place, 0)) for place, _ in used),
            *(count(getattr(one, name)) for name in more),
        )
    return table


def plain(offset: int) -> str:
    """Return an offset as it is typed."""
    return str(offset)


def verified_lines(rows: Iterable[Verified], now: datetime) -> RenderableType:
    """Return how far each partition is proven, for the status."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("proven", overflow="fold")
    for name in ("from", "through", "age"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in rows:
        table.add_row(
            Text(clean(f"{one.topic}/{one.partition}")), plain(one.from_offset), plain(one.verified_through),
            age(now - one.verified_at) or NOT_KNOWN,
        )  # fmt: skip
    return Plain(table) if table.row_count else Text("Nothing proven yet: mend prove", style="dim")
