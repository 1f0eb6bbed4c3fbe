import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import cli
from cli.run_facts import RejectSample, RunFacts, StepTime, checks, destinations, sums_closed, verdict
from cli.run_page import render
from mend.contracts.decision import Action, ActionTaken, DecisionResult, Rows, SegmentFilter, SegmentValue, ToolResult
from mend.contracts.drift import AddedField, Drift, RemovedField, RenameCandidate, RetypedField
from mend.contracts.quality import ExpectationResult, QualityResults, QualitySummary, SuiteResult, SuiteStatistics
from mend.contracts.report import ColumnProfile, PartitionRange, Places, RuleCount, RunReport, SegmentCount

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'

VOID = {"meta", "link", "br", "img", "input", "hr"}

STYLE = Path(cli.__file__).parent / "templates" / "tokens.css"


class Page(HTMLParser):
    """Reads a page: its tags, attributes and text, and whether every tag that opens also closes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag and its attributes."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open tag is the one that closes."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text that people see."""
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """Return the page's words in one line."""
        return " ".join(" ".join(self.words).split())


def partition(number: int, **places: int) -> PartitionRange:
    """Return a partition whose sum closes."""
    total = sum(places.values())
    return PartitionRange(
        topic="customers",
        partition=number,
        from_offset=1000,
        until_offset=1000 + total,
        records=total,
        places=Places(**places),
    )


def expectation(kind: str, column: str, failures: int = 0, **more: Any) -> ExpectationResult:
    """Return an expectation that passed, or failed where it counts failures."""
    given = {"severity": "quality", "verdict": "fail" if failures else "pass", "evaluated": 18900, **more}
    return ExpectationResult(expectation_type=kind, column=column, failures=failures, **given)


REPORT = RunReport(
    total_records=20000,
    late_records=1000,
    dq_failures=220,
    schema_drift_detected=True,
    start_time="2025-11-20T10:04:21Z",
    end_time="2025-11-20T10:05:03Z",
    run_id="run-7",
    pipeline="customers",
    places=Places(accepted=18900, rejected=640, dead_letter=210, duplicate=250),
    partitions=(
        partition(0, accepted=9400, rejected=320, dead_letter=105, duplicate=125),
        partition(1, accepted=9500, rejected=320, dead_letter=105, duplicate=125),
    ),
    drift=Drift(
        added=(AddedField(name="marketing_opt_in", type="boolean", count=945, first_offset=1200, last_offset=1900),),
        removed=(RemovedField(name="fax", type="string", count=77),),
        type_changed=(RetypedField(name="size", from_type="integer", to_type="string", count=66),),
        renamed_candidates=(RenameCandidate(old="full_name", new="label", score=0.83, action="ask"),),
    ),
    segments=(
        SegmentCount(column="country", value="BR", rows=1872, failures=131),
        SegmentCount(column="country", value="US", rows=17028, failures=89),
    ),
    rules=(RuleCount(rule="missing_field", column="plan", severity="contract", failures=205),),
    profile=(
        ColumnProfile(column="plan", type="VARCHAR", rows=18900, nulls=945, distinct=4, top=(("free", 7571),)),
        ColumnProfile(
            column="age",
            type="BIGINT",
            rows=18900,
            nulls=0,
            distinct=998,
            min="3",
            max="2134",
            quantiles=(3.0, 1021.0, 2134.0),
        ),
        ColumnProfile(
            column="email",
            type="VARCHAR",
            rows=18900,
            nulls=0,
            distinct=1000,
            min="aaron@example.com",
            max="zoe@example.com",
            top=(("maria@example.com", 77),),
        ),
    ),
    events_per_second=11420.4,
    lag_before=20000,
    lag_after=0,
)

QUALITY = QualityResults(
    status="failure",
    verdict="fail",
    rows=18900,
    validations=(
        SuiteResult(
            expectation_suite="customers_expectation_suite",
            success=False,
            statistics=SuiteStatistics(
                evaluated_expectations=15, successful_expectations=14, unsuccessful_expectations=1
            ),
            results=(
                expectation("expect_column_to_exist", "id"),
                expectation("expect_column_values_to_match_regex", "email", 220, observed="odd@example.com"),
            ),
        ),
    ),
    summary=QualitySummary(total_expectations=15, success_count=14, failure_count=1),
)

DECISION = DecisionResult(
    decision="remap",
    actions=(Action.REMAP,),
    allowed=(Action.REMAP, Action.ESCALATE),
    rows=Rows.PUBLISH,
    rules=("additive_drift",),
    reasoning="A new nullable field arrived. It enters the mapping.",
    confidence=0.95,
    escalation_required=False,
    timestamp="2025-11-20T10:05:14Z",
    evidence_hash="sha256:9f2c",
    matrix_hash="sha256:1a0f",
    actions_taken=(
        ActionTaken(
            tool="apply_schema_remap",
            params={"marketing_opt_in": "boolean"},
            result=ToolResult(success=True, message="Mapping version 2.", timestamp="2025-11-20T10:05:14Z"),
            timestamp="2025-11-20T10:05:14Z",
        ),
    ),
)

RUN = RunFacts(
    report=REPORT,
    quality=QUALITY,
    decision=DECISION,
    validation={"status": "success", "sink_mode": "PARQUET", "parquet_files_count": 8, "rows": 18900},
    files=(("published", "/srv/out/parquet/run=run-7"),),
    samples=(
        RejectSample(reason="missing", column="plan", topic="customers", partition=1, offset=12107, excerpt="{…}"),
    ),
    steps=(StepTime(name="run_spark_job", seconds=42.7), StepTime(name="agent_decide", seconds=1.2)),
    pii=frozenset({"email"}),
)

EMPTY = RunFacts(
    report=RunReport(total_records=0, late_records=0, dq_failures=0, schema_drift_detected=False, status="no_data"),
    quality=QualityResults(status="no_validation"),
    decision=replace(
        DECISION, actions=(), allowed=(), rules=(), actions_taken=(), evidence_hash=None, matrix_hash=None, reasoning=""
    ),
)

HELD_SEGMENT = replace(
    RUN,
    decision=replace(DECISION, rows=Rows.PUBLISH_EXCEPT_SEGMENT, hold=(SegmentFilter(column="country", value="BR"),)),
    validation={"status": "success", "rows": 18769},
)


def test_page_shows_every_figure_of_the_run() -> None:
    """Counts, offsets, drift, quality, segments, profile, decision, steps and paths are all on the page."""
    text = Page(render(RUN)).text
    for figure in (
        *("20,000", "18,900", "640", "210", "250", "94.5 %", "1,000", "11,420", "20,000 → 0", "run-7", "customers"),
        *("9,950", "10,050", "20 Nov 2025, 10:05:03 UTC", "42.7 s", "1.2 s", "run_spark_job"),
        *("marketing_opt_in", "945", "1,200 to 1,900", "fax", "77", "integer → string", "66", "full_name", "83 %"),
        *("14 of 15 passed", "column values to match regex", "220", "missing_field", "205", "customers 1 @ 12,107"),
        *("BR", "7.0 %", "131", "5 %", "998", "2134", "free", "40.1 %", "3 · 1,021 · 2,134"),
        *("additive_drift", "It enters the mapping.", "remap", "escalate", "Mapping version 2.", "95 %", "sha256:9f2c"),
        *("marketing_opt_in: boolean", "/srv/out/parquet/run=run-7", "PARQUET"),
    ):
        assert figure in text, figure


def test_page_is_well_formed_and_has_one_first_heading() -> None:
    """Every tag that opens also closes, in order, for a full and for an empty run."""
    for run in (RUN, EMPTY, HELD_SEGMENT):
        page = Page(render(run))
        assert page.open == []
        assert page.tags.count("h1") == 1


def test_page_needs_nothing_from_outside() -> None:
    """No script, no address, no import: links lead inside the page, and the policy forbids the rest."""
    source = render(RUN)
    page = Page(source)
    assert not re.search(r"https?:|@import|url\(|//[a-z]", source, re.IGNORECASE)
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    links = [value for _, name, value in page.attributes if name in {"href", "src", "xlink:href", "action"}]
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert "default-src 'none'" in source


def test_inner_links_lead_to_a_section() -> None:
    """Each entry of the contents names an id that is on the page, and no id is used twice."""
    attributes = Page(render(RUN)).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    targets = {value[1:] for _, name, value in attributes if name == "href" and value.startswith("#")}
    assert targets <= set(ids)
    assert len(ids) == len(set(ids))


def hostile_run() -> RunFacts:
    """Return a run in which everything that data can name is hostile."""
    report = replace(
        REPORT,
        run_id=HOSTILE,
        pipeline=HOSTILE,
        error=HOSTILE,
        partitions=(replace(REPORT.partitions[0], topic=HOSTILE), REPORT.partitions[1]),
        drift=Drift(
            added=(AddedField(name=HOSTILE, type=HOSTILE, count=1),),
            removed=(RemovedField(name=HOSTILE, type=HOSTILE),),
            type_changed=(RetypedField(name=HOSTILE, from_type=HOSTILE, to_type=HOSTILE),),
            renamed_candidates=(RenameCandidate(old=HOSTILE, new=HOSTILE, score=1.0, action="ask"),),
        ),
        segments=(SegmentCount(column=HOSTILE, value=HOSTILE, rows=9, failures=3),),
        rules=(RuleCount(rule=HOSTILE, column=HOSTILE, severity="contract", failures=1),),
        profile=(
            ColumnProfile(
                column=HOSTILE,
                type=HOSTILE,
                rows=9,
                nulls=0,
                distinct=1,
                min=HOSTILE,
                max=HOSTILE,
                top=((HOSTILE, 9),),
            ),
        ),
    )
    results = (
        expectation(HOSTILE, HOSTILE, 3, observed=HOSTILE),
        expectation("e", "c", verdict="unknown", error=HOSTILE),
    )
    result = ToolResult(success=False, message=HOSTILE, timestamp=HOSTILE)
    return RunFacts(
        report=report,
        quality=replace(QUALITY, error=HOSTILE, validations=(replace(QUALITY.validations[0], results=results),)),
        decision=replace(
            DECISION,
            decision=HOSTILE,
            rules=(HOSTILE,),
            reasoning=HOSTILE,
            rows=Rows.PUBLISH_EXCEPT_SEGMENT,
            hold=(SegmentFilter(column=HOSTILE, value=HOSTILE),),
            evidence_hash=HOSTILE,
            actions_taken=(ActionTaken(tool=HOSTILE, result=result, timestamp=HOSTILE, params={HOSTILE: [HOSTILE]}),),
        ),
        validation={HOSTILE: HOSTILE, "rows": 18900},
        files=((HOSTILE, HOSTILE),),
        samples=(RejectSample(reason=HOSTILE, column=HOSTILE, topic=HOSTILE, partition=0, offset=1, excerpt=HOSTILE),),
        steps=(StepTime(name=HOSTILE, seconds=1.0),),
    )


def test_text_from_data_is_never_markup() -> None:
    """A script as a field name or a quote that ends an attribute stays text, wherever data can bring it."""
    page = Page(render(hostile_run()))
    assert page.open == []
    assert not {"script", "img"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text


def test_controls_and_half_characters_cannot_break_the_page() -> None:
    """Control characters, direction overrides and lone surrogates are replaced, so the page can be written."""
    odd = replace(REPORT.profile[0], column="a\x00b\x1b[2J\u202ec\ud800d")
    source = render(replace(RUN, report=replace(REPORT, profile=(odd,))))
    assert not re.search("[\x00\x1b\u202e\ud800]", source)
    assert source.encode()


def test_personal_data_is_masked() -> None:
    """No value of a pii column is shown: not as minimum, maximum, top value or what an expectation saw."""
    text = render(RUN)
    assert "@example.com" not in text
    assert "masked" in text
    assert "maria@example.com" in render(replace(RUN, pii=frozenset()))


def test_personal_segments_are_masked_in_every_text() -> None:
    """The value of a personal segment is shown neither in its bar nor in the reasons and conditions that name it."""
    decision = replace(
        HELD_SEGMENT.decision,
        reasoning="Failures are localised in country = BR.",
        actions_taken=(replace(DECISION.actions_taken[0], params={"filter": "country = 'BR'"}),),
    )
    run = replace(HELD_SEGMENT, decision=decision, pii=frozenset({"country"}))
    assert not re.search(r"\bBR\b", Page(render(run)).text)
    assert "country masked" in verdict(run).headline


def test_a_held_pair_is_named_and_its_personal_value_masked() -> None:
    """The headline has both values, a personal one stands nowhere, and neither alone is called localised."""
    pair = replace(HELD_SEGMENT.decision.hold[0], also=SegmentValue(column="plan", value="gold"))
    run = replace(HELD_SEGMENT, decision=replace(HELD_SEGMENT.decision, hold=(pair,), reasoning="it is gold"))
    assert verdict(run).headline == "Published, except failing rows of country BR and plan gold"
    assert "BR localised" not in Page(render(run)).text
    hidden = replace(run, pii=frozenset({"plan"}))
    assert not re.search(r"\bgold\b", Page(render(hidden)).text)


def test_parts_of_a_personal_field_are_personal() -> None:
    """A nested field below a pii field is masked, a field whose name merely begins alike is not."""
    inner = replace(REPORT.profile[1], column="address.street", min="Elm Street", max="Oak Street")
    outer = replace(REPORT.profile[1], column="address_count", min="41", max="43")
    text = render(replace(RUN, report=replace(REPORT, profile=(inner, outer)), pii=frozenset({"address"})))
    assert "Elm Street" not in text
    assert "41<br>43" in text


def test_long_values_are_cut_and_kept_in_the_title() -> None:
    """A long value is shown short, its full text on hovering."""
    column = "very_long_name_" * 8
    page = Page(render(replace(RUN, report=replace(REPORT, profile=(replace(REPORT.profile[0], column=column),)))))
    assert column not in page.text
    assert ("span", "title", column) in page.attributes


def test_empty_sections_say_so() -> None:
    """A run without anything names what is missing in a sentence, and no figure is NaN or None."""
    text = Page(render(EMPTY)).text
    for sentence in (
        *("No new events", "No column was profiled", "The report counts no segments", "No files are recorded"),
        *("The steps of this run were not timed", "The audit did not run", "have not been recounted"),
        *("The report does not say whether the stream changed", "No action was needed", "No rule is recorded"),
    ):
        assert sentence in text, sentence
    assert not re.search(r"\b(None|NaN|nan|inf|Undefined)\b", text)


def test_no_drift_is_said_in_words() -> None:
    """A drift without changes is a finding of its own, not an empty table."""
    assert (
        "No drift: every event had the contract's fields and types."
        in Page(render(replace(RUN, report=replace(REPORT, drift=Drift(), schema_drift_detected=False)))).text
    )


def test_figures_that_are_no_numbers_are_not_shown() -> None:
    """NaN and infinity, as a broken report may bring them, become a dash."""
    broken = replace(REPORT, events_per_second=float("nan"), late_rate=float("inf"))
    profile = (replace(REPORT.profile[1], quantiles=(float("nan"), 1.0, float("inf"), 2.0, 3.0)),)
    text = Page(render(replace(RUN, report=replace(broken, profile=profile), validation={"rows": float("nan")}))).text
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)


@pytest.mark.parametrize("letter", ["a", '"', "\u5024"], ids=["plain", "escaped", "three bytes"])
def test_two_hundred_columns_stay_below_300_kb(letter: str) -> None:
    """A wide table with long values everywhere is still a small page, whatever the values are made of."""
    column = ColumnProfile(
        column="x" * 300,
        type="STRUCT" * 60,
        rows=10,
        nulls=3,
        distinct=5,
        min=letter * 5000,
        max=letter * 5000,
        quantiles=(1.5, 2.5, 3.5, 4.5, 5.5),
        top=((letter * 5000, 4),) * 10,
    )
    report = replace(REPORT, profile=tuple(replace(column, column=f"c{each}{column.column}") for each in range(200)))
    assert len(render(replace(RUN, report=report)).encode()) < 300_000


def test_long_tables_say_what_they_leave_out() -> None:
    """Of many partitions the page shows a hundred, those that do not close first, and counts the others."""
    closed = tuple(partition(each, accepted=10) for each in range(299))
    broken = replace(partition(299, accepted=10), records=11, until_offset=1011)
    text = Page(render(replace(RUN, report=replace(REPORT, partitions=(*closed, broken))))).text
    assert "200 more partitions are in" in text
    assert "✗ 10" in text


def test_sums_close_for_a_run_in_which_every_event_has_a_place() -> None:
    """Total, partitions, each partition and the readers' recount all agree."""
    assert [check.closes for check in checks(RUN)] == [True] * 4
    assert sums_closed(RUN) is True
    assert sums_closed(EMPTY) is None


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, total_records=20001),
        replace(REPORT, partitions=REPORT.partitions[:1]),
        replace(REPORT, partitions=(replace(REPORT.partitions[0], records=9951), REPORT.partitions[1])),
        replace(REPORT, partitions=(replace(REPORT.partitions[0], until_offset=10949), REPORT.partitions[1])),
    ],
    ids=["total", "partition missing", "partition's own sum", "range too narrow"],
)
def test_a_sum_that_does_not_close_is_the_headline(report: RunReport) -> None:
    """One event too many anywhere outweighs a decision that published."""
    run = replace(RUN, report=report)
    assert sums_closed(run) is False
    assert verdict(run).tone == "bad"
    text = Page(render(run)).text
    assert "The sums do not close" in text
    assert "✗ does not close" in text


def test_a_recount_that_disagrees_is_the_headline() -> None:
    """Rows that readers miss, or a validation that says so, outweigh a decision that published."""
    missing = replace(RUN, validation={"status": "success", "rows": 18899})
    failed = replace(RUN, validation={"status": "failed"})
    assert verdict(missing).headline == "The sums do not close"
    assert "18,899 counted ≠ 18,900 published" in verdict(missing).why
    assert verdict(failed).headline == "Published, but the recount disagrees"


@pytest.mark.parametrize(
    ("rows", "published", "headline"),
    [
        (Rows.PUBLISH, 18900, "Published"),
        (Rows.HOLD, 0, "Held"),
        (Rows.NOTHING, 0, "Nothing published"),
    ],
)
def test_the_decision_says_where_accepted_rows_are(rows: Rows, published: int, headline: str) -> None:
    """Accepted rows are published or held as the decision says, and nothing gets lost between."""
    run = replace(RUN, decision=replace(DECISION, rows=rows), validation=None)
    found = {place.key: place.events for place in destinations(run)}
    assert (found["published"], found["held"]) == (published, 18900 - published)
    assert verdict(run).headline == headline


def test_a_held_segment_splits_the_accepted_rows() -> None:
    """The held rows are those that the readers do not see; without a recount the page does not guess."""
    found = {place.key: place.events for place in destinations(HELD_SEGMENT)}
    assert (found["published"], found["held"]) == (18769, 131)
    unknown = destinations(replace(HELD_SEGMENT, validation=None))
    assert [place.label for place in unknown][:2] == ["accepted", "rejected"]
    ledger = replace(HELD_SEGMENT, validation={"rows": 18770}, held=131)
    assert sums_closed(ledger) is False


def test_localised_segments_are_marked_in_words() -> None:
    """A segment that the decision sets aside stands out, and not by colour alone."""
    assert "BR localised" in Page(render(HELD_SEGMENT)).text
    assert "No segment is localised" in Page(render(RUN)).text


def test_an_escalation_is_in_the_headline() -> None:
    """That a person was called is said where nobody overlooks it."""
    run = replace(RUN, decision=replace(DECISION, escalation_required=True))
    assert verdict(run).headline == "Published, and a person was called"
    assert verdict(run).tone == "care"


def test_no_data_that_called_a_person_is_not_called_quiet() -> None:
    """A report that had to be made up for a missing one never reads like a run without events."""
    escalated = replace(EMPTY.decision, rows=Rows.HOLD, escalation_required=True)
    assert verdict(EMPTY).headline == "No new events"
    assert verdict(replace(EMPTY, decision=escalated)).headline == "Held, and a person was called"


def test_a_failed_job_is_the_headline() -> None:
    """A run whose job failed says so, whatever its figures are."""
    run = replace(EMPTY, report=replace(EMPTY.report, status="failed", error="broker gone"))
    assert "The job failed" in Page(render(run)).text
    assert "broker gone" in Page(render(run)).text


def test_the_same_run_gives_the_same_page() -> None:
    """The page is a function of its facts, and its stitches of the run's id."""
    assert render(RUN) == render(RUN)
    other = render(replace(RUN, report=replace(REPORT, run_id="run-8")))
    pattern = re.compile(r'class="pattern".*?</svg>', re.DOTALL)
    assert pattern.findall(other) != pattern.findall(render(RUN))


def test_charts_and_tables_are_labelled() -> None:
    """Each drawing has a name or is hidden from readers that cannot see it; each table heading says what it heads."""
    source = render(RUN)
    for drawing in re.findall(r"<svg[^>]*>", source):
        assert 'aria-hidden="true"' in drawing or re.search(r'role="img" aria-label="[^"]+"', drawing)
    assert all("scope=" in heading for heading in re.findall(r"<th[ >][^>]*>", source))
    assert "20,000 events in: 18,900 published, 0 held, 640 rejected" in source


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[each : each + 2], 16) / 255 for each in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_enough_contrast(dark: bool) -> None:
    """Every colour of text reaches 4.5 to 1 on what lies behind it, as WCAG AA asks, in light and in dark."""
    light_style, dark_style = STYLE.read_text().split("@media (prefers-color-scheme: dark)")
    pairs = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light_style))
    if dark:
        pairs |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark_style.split("\n}\n")[0]))
    on = [
        ("ink", "paper"),
        ("ink", "sheet"),
        ("soft", "paper"),
        ("soft", "sheet"),
        ("soft", "track"),
        ("ink", "care-wash"),
    ]
    on += [(tone, f"{tone}-wash") for tone in ("good", "care", "bad")] + [("thread", "cloth"), ("thread-soft", "cloth")]
    for text, ground in on:
        high, low = sorted((luminance(pairs[text]), luminance(pairs[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
