import io
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from cli.run_facts import RunFacts
from cli.run_steps import progress
from cli.run_view import RunLine, history, summary
from cli.wording import NOT_KNOWN
from mend.contracts.decision import Action, DecisionResult, Rows, SegmentFilter
from mend.contracts.drift import AddedField, Drift, RenameCandidate
from mend.contracts.quality import ExpectationResult, QualityResults, QualitySummary, SuiteResult, SuiteStatistics
from mend.contracts.report import PartitionRange, Places, RunReport

PLACES = Places(accepted=18900, rejected=640, dead_letter=210, duplicate=250)

FAILED = ExpectationResult(
    expectation_type="expect_column_values_to_match_regex",
    column="email",
    severity="quality",
    verdict="fail",
    evaluated=18900,
    failures=220,
)

RUN = RunFacts(
    report=RunReport(
        total_records=20000,
        late_records=1000,
        dq_failures=220,
        schema_drift_detected=True,
        run_id="customers-20251120T100421-7f3a",
        pipeline="customers",
        places=PLACES,
        partitions=(
            PartitionRange(
                topic="customers", partition=0, from_offset=0, until_offset=20000, records=20000, places=PLACES
            ),
        ),
        drift=Drift(
            added=(
                AddedField(name="marketing_opt_in", type="boolean", count=945),
                AddedField(name="customer_segment", type="string", count=472),
            ),
            renamed_candidates=(RenameCandidate(old="full_name", new="name", score=0.8, action="ask"),),
        ),
    ),
    quality=QualityResults(
        status="failure",
        verdict="fail",
        validations=(
            SuiteResult(
                expectation_suite="customers_expectation_suite",
                success=False,
                statistics=SuiteStatistics(
                    evaluated_expectations=15, successful_expectations=14, unsuccessful_expectations=1
                ),
                results=(FAILED,),
            ),
        ),
        summary=QualitySummary(total_expectations=15, success_count=14, failure_count=1),
    ),
    decision=DecisionResult(
        decision="remap",
        actions=(Action.REMAP,),
        rows=Rows.PUBLISH,
        rules=("additive_drift", "late_within_limit"),
        reasoning="Two nullable fields appeared and enter the mapping. They are back-filled.",
        confidence=0.95,
        escalation_required=False,
        timestamp="2025-11-20T10:05:14Z",
    ),
    files=(("published", "/srv/shop/data/out/parquet/run=customers-20251120T100421-7f3a"),),
)


def shown(what: RenderableType, *, width: int = 80, encoding: str = "utf-8", colour: bool = False) -> str:
    """Return what a terminal of this width and encoding receives."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    Console(file=file, width=width, force_terminal=colour, color_system="standard" if colour else None).print(what)
    file.flush()
    return raw.getvalue().decode(encoding)


def words(text: str) -> str:
    """Return the text without frame and line ends."""
    return " ".join(re.sub("[│╭╮╰╯─|+-]", " ", text).split())


def test_summary_names_every_figure_in_80_columns() -> None:
    """Counts, sums, drift, audit, decision, rules, reason and files are there, and no line is wider than 80."""
    text = shown(summary(RUN, folder=Path("/srv/shop")))
    assert max(len(line) for line in text.splitlines()) <= 80
    said = words(text)
    for part in (
        *("events in 20,000", "published 18,900 94.5 %", "quarantined 640 3.2 %", "640 rejected, 0 held"),
        *(
            "dead letters 210",
            "duplicates 250",
            "✓ yes, every event has one place",
            "marketing_opt_in, customer_segment",
        ),
        *("full_name → name", "14 of 15 passed", "on email", "decision remap", "additive_drift, late_within_limit"),
        *("Two nullable fields appeared and enter the mapping.", "data/out/parquet/run=customers", "1,000 late"),
    ):
        assert part in said, part
    assert "back-filled" not in said
    assert "/srv/shop" not in said


def test_summary_reads_the_same_without_colour() -> None:
    """Colour adds nothing to the words, and without it there is no control sequence at all."""
    plain, coloured = shown(summary(RUN)), shown(summary(RUN), colour=True)
    assert "\x1b" not in plain
    assert "\x1b" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_summary_can_be_written_in_ascii() -> None:
    """A terminal that knows only ASCII gets the same figures in lines of the same width."""
    plain, ascii_only = shown(summary(RUN)), shown(summary(RUN), encoding="ascii")
    assert [len(line) for line in ascii_only.splitlines()] == [len(line) for line in plain.splitlines()]
    assert "+ yes, every event has one place" in ascii_only


def test_summary_says_when_sums_do_not_close() -> None:
    """The first sum that does not close is written out, and heads the summary."""
    text = words(shown(summary(replace(RUN, report=replace(RUN.report, total_records=20001))), width=120))
    assert "The sums do not close" in text
    assert "✗ no: every event has a place: 20,001 ≠ 18,900 published" in text


def test_summary_of_an_empty_run_has_no_holes() -> None:
    """What is not known is said in words; nothing reads None or NaN."""
    empty = RunReport(total_records=0, late_records=0, dq_failures=0, schema_drift_detected=False)
    run = replace(RUN, report=empty, quality=QualityResults(status="no_validation"), files=())
    text = words(shown(summary(run)))
    for part in ("sums closed not reported", "drift not reported", "audit not audited", "run · no id"):
        assert part in text, part
    assert not re.search(r"None|nan", text, re.IGNORECASE)


def test_text_from_data_is_neither_markup_nor_control_sequence() -> None:
    """Brackets stay brackets and an escape character never reaches the terminal."""
    field = AddedField(name="[red]x[/red]\x1b[2J", type="string")
    report = replace(RUN.report, drift=Drift(added=(field,)), run_id="[bold]\x1b]0;title\x07")
    decision = replace(
        RUN.decision,
        reasoning="[/] \x1b[31mred",
        rules=("[link=a]",),
        rows=Rows.PUBLISH_EXCEPT_SEGMENT,
        hold=(SegmentFilter(column="plan", value="[blink]free"),),
    )
    text = shown(summary(replace(RUN, report=report, decision=decision)), colour=True)
    assert "[red]x[/red]" in text
    assert "[link=a]" in text
    assert "plan [blink]free" in text
    assert not re.search(r"\x1b(?!\[[\d;]*m)|\x07|\x1b\[31mred", text)


def test_history_has_a_line_for_each_run_in_80_columns() -> None:
    """State, figures, decision and age stand in one table; what a run did not reach is a dash."""
    done = RunLine(
        run_id="run-7",
        state="published",
        events=20000,
        published=18900,
        held=0,
        decision="remap",
        age=timedelta(minutes=3),
    )
    text = shown(history([done, RunLine(run_id="run-[8]", state="opened", age=timedelta(days=2))]))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert words(text.splitlines()[1]) == "run 7 published 20,000 18,900 0 remap 3 min"
    assert text.splitlines()[2].split() == ["run-[8]", "opened", *[NOT_KNOWN] * 3, "2", "d"]


def test_history_without_runs_says_what_to_do() -> None:
    """Nobody is shown an empty table."""
    assert "mend run" in shown(history([]))


def test_steps_without_a_terminal_are_plain_lines() -> None:
    """One line a step, when it ends, with its name and time; notes are left out."""
    out = io.StringIO()
    clock = iter((0.0, 12.3, 20.0, 20.5)).__next__
    with progress(Console(file=out, width=20), clock=clock) as steps:
        with steps.step("run_spark_job") as step:
            step.note("half way")
        with steps.step("agent_[decide]"):
            pass
    assert out.getvalue() == "run_spark_job … 12.3 s\nagent_[decide] … 500 ms\n"
    assert [(each.name, each.failed) for each in steps.times] == [("run_spark_job", False), ("agent_[decide]", False)]
    assert steps.times[0].seconds == pytest.approx(12.3)


def test_a_step_that_fails_is_shown_and_its_error_goes_on() -> None:
    """The step is recorded as failed, and whoever runs the steps still gets the error."""
    out = io.StringIO()
    clock = iter((0.0, 2.0)).__next__
    with progress(Console(file=out), clock=clock) as steps, pytest.raises(KeyError), steps.step("validate_load"):
        raise KeyError
    assert out.getvalue() == "validate_load … failed after 2.0 s\n"
    assert steps.times[0].failed


def test_steps_at_a_terminal_end_with_a_mark_and_a_time() -> None:
    """A finished step keeps its line, with a mark that needs no colour."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=80)
    with progress(console) as steps:
        with steps.step("monitor_kafka") as step:
            step.reach(1, 2)
        with pytest.raises(KeyError), steps.step("agent_decide"):
            raise KeyError
    last = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", out.getvalue())
    assert re.search(r"✓ monitor_kafka +\d+ ms", last)
    assert re.search(r"✗ agent_decide +\d+ ms +failed", last)
    assert out.getvalue().endswith("\x1b[?25h")
