"""A trial for people."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mend.contracts.trial import Trial, TriedRows
from mend.remap.versions import written


def shown(name: str, trial: Trial) -> RenderableType:
    """Return what was tried, on which rows, and what came of it."""
    verdict = Text("passed", "green") if trial.passed else Text("not passed: " + "; ".join(trial.against), "red")
    parts: list[RenderableType] = [Text(f"trial {name[:12]} of {trial.pipeline}, on version {trial.base}: ") + verdict]
    parts += [Text(f"  {written(one)}") for one in trial.fields if one.added or one.renamed_from]
    parts += [
        Text(f"set aside now: {told(trial.set_aside_before)}"),
        Text(f"set aside then: {told(trial.set_aside)}"),
        Text(f"last good run ({trial.good_run or 'none'}): {told(trial.again)}"),
    ]
    if trial.key_overlap is not None:
        parts.append(Text(f"keys of set-aside rows that the last good run has: {trial.key_overlap:.1%}"))
    if trial.columns:
        parts.append(columns(trial))
    return Group(*parts)


def told(rows: TriedRows) -> str:
    """Say how many rows fit, and why others do not."""
    why = ", ".join(f"{many} {reason}" for reason, many in rows.reasons)
    failed = f", {rows.failed_rules} of them fail a quality rule" if rows.failed_rules else ""
    return f"{rows.fit} of {rows.rows} rows fit{failed}" + (f"; not: {why}" if why else "")


def columns(trial: Trial) -> Table:
    """Return how far each column lies from the last good run."""
    table = Table("column", "nulls then", "nulls in the good run", "distance")
    for one in trial.columns:
        far = "" if one.distance is None else f"{one.distance:.3f}"
        table.add_row(one.column, f"{one.nulls:.1%}", f"{one.nulls_before:.1%}", far)
    return table
