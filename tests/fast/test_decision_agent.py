"""The decision service as a whole: the command line, the loop, what is written, and what happens on a failure."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.decide import decide, judge, mapping_of, run_key
from agent.decision_agent import Rules, decide_run, main
from agent.matrix_file import MATRIX, load_matrix
from agent.ports import Ports
from agent.testing import AUDIT, NOON, REPORT, MemoryJournal, MemoryPorts, memory_ports, scenario
from mend.contracts import codec
from mend.contracts.decision import Action, DecisionLogLine, DecisionResult, Rows, ToolResult
from mend.contracts.incident import Severity
from mend.contracts.report import RunReport

pytestmark = pytest.mark.agent

ROOT = Path(__file__).parents[2]
TABLE = load_matrix()
NULLABLE = {"name": "opt_in", "type": "boolean", "nullable": True}
DRIFT = {"schema_drift_detected": True, "drift": {"added": [NULLABLE]}}
LOCALISED = {
    "dq_failures": 45,
    "segments": [
        {"column": "country", "value": "BR", "rows": 100, "failures": 40},
        {"column": "country", "value": "US", "rows": 900, "failures": 5},
    ],
}


def run(ports: Ports | None = None, rules: Rules | None = None, **given: Any) -> tuple[DecisionResult, MemoryJournal]:
    """Decide and act about a healthy run but for what is given."""
    journal = MemoryJournal()
    return decide_run(scenario(**given), ports or memory_ports(), journal, rules), journal


def tools_used(decision: DecisionResult) -> list[str]:
    """Return the names of the tools that were called."""
    return [one.tool for one in decision.actions_taken]


# --- the loop


def test_nothing_is_done_about_a_healthy_run() -> None:
    """A healthy run is recorded, and no tool is called."""
    decision, journal = run()
    assert (decision.actions, decision.actions_taken) == ((Action.CONTINUE,), ())
    assert len(journal.lines) == 1


def test_late_events_are_retriggered() -> None:
    """The next batch is asked for at once."""
    ports = memory_ports()
    run(ports, report={"late_records": 5})
    assert [(one.task_id, one.execution_date) for one in ports.retriggers.requests] == [("run_spark_job", None)]


@pytest.mark.parametrize(("retriggers", "start"), [(0, "12:00:30"), (1, "12:01:00"), (2, "12:02:00")])
def test_a_failed_job_waits_longer_each_time(retriggers: int, start: str) -> None:
    """A failed job is run again after a pause that doubles."""
    ports = memory_ports()
    run(ports, job_status="failed", retriggers=retriggers)
    assert ports.retriggers.requests[0].execution_date == f"2026-01-01T{start}+00:00"


def test_each_try_of_a_failed_run_is_asked_for() -> None:
    """The second retrigger of one run is not taken for the first; the same one asked for twice is."""
    ports = memory_ports()
    for retriggers in (0, 0, 1):
        named = {"run_id": "run-7"}
        run(ports, report=named, audit=named, job_status="failed", retriggers=retriggers, run_id="run-7")
    assert len(ports.retriggers.requests) == 2


def test_new_fields_are_mapped() -> None:
    """Additive drift enters the mapping with its type."""
    ports = memory_ports()
    run(ports, report=DRIFT)
    assert ports.mappings.active == {"opt_in": {"type": "boolean", "nullable": True}}


def test_the_mapping_of_a_rename() -> None:
    """A renamed field is mapped from its old name, and is not added as a new one; a field of nulls waits for a type."""
    detail = {
        "added": [{"name": "tier", "type": "string"}, NULLABLE, {"name": "n", "type": "NULL"}],
        "renamed_candidates": [{"old": "plan", "new": "tier", "score": 1.0, "action": "apply"}],
    }
    report = scenario({"schema_drift_detected": True, "drift": detail}).run_report
    assert isinstance(report, RunReport)
    assert mapping_of(report) == {"opt_in": {"type": "boolean", "nullable": True}, "tier": {"renamed_from": "plan"}}
    assert mapping_of(codec.parse(RunReport, REPORT)) == {}


def test_a_segment_is_set_aside() -> None:
    """The order names the staged rows, the segment and the rule."""
    ports = memory_ports()
    run(ports, report={**LOCALISED, "run_id": "run-7"})
    order = ports.quarantine.orders[0]
    assert (order.reason, order.source_path) == ("dq_localised", "staging/run=run-7")
    assert [(one.column, one.value) for one in order.segments] == [("country", "BR")]


def test_breaking_drift_sets_the_rejected_rows_aside_and_calls_a_person() -> None:
    """The order is about rejected rows only; the incident has the context that a person needs."""
    ports = memory_ports()
    change = {"type_changed": [{"name": "age", "from": "int", "to": "string"}]}
    decision, _ = run(
        ports,
        report={"schema_drift_detected": True, "drift": change},
        consecutive_failures=3,
        recent_incidents=[{"id": str(number)} for number in range(12)],
    )
    assert tools_used(decision) == ["quarantine_records", "open_circuit", "escalate_incident"]
    assert ports.quarantine.orders[0].segments == ()
    incident = ports.incidents.opened[0]
    assert (incident.incident_type, incident.severity) == ("consecutive_failures", Severity.CRITICAL)
    assert incident.context["circuit"] == "open"
    assert incident.context["rules"] == ["drift_breaking", "consecutive_failures"]
    assert incident.context["figures"]["total_records"] == 1000
    assert len(incident.context["recent_incidents"]) == 10


def test_an_escalation_leaves_the_machine_still() -> None:
    """With a person called, nothing is remapped or retriggered."""
    ports = memory_ports()
    decision, _ = run(ports, report={**DRIFT, "late_records": 500})
    assert tools_used(decision) == ["escalate_incident"]
    assert (ports.mappings.version, ports.retriggers.requests) == (0, [])


@pytest.mark.parametrize(
    "report",
    [{"late_records": 500}, {"late_records": 5}, DRIFT, LOCALISED],
    ids=["escalate", "retrigger", "remap", "seg"],
)
def test_an_act_is_done_once(report: dict[str, Any]) -> None:
    """Deciding twice about one run does nothing a second time and returns the first results."""
    ports = memory_ports()
    first, _ = run(ports, report={**report, "run_id": "run-7"})
    counted = counts(ports)
    later, _ = run(ports, report={**report, "run_id": "run-7"}, timestamp="2026-01-01T13:00:00+00:00")
    assert counts(ports) == counted == 1
    assert [one.result for one in later.actions_taken] == [one.result for one in first.actions_taken]


def counts(ports: MemoryPorts) -> int:
    """Return how many acts reached the world."""
    requests = len(ports.retriggers.requests)
    return len(ports.incidents.opened) + requests + ports.mappings.version + len(ports.quarantine.orders)


def test_two_runs_are_two() -> None:
    """What was done for one run is done for the next one, too; the incident of their cause has seen both."""
    ports = memory_ports()
    for name in ("run-7", "run-8"):
        run(ports, report={"late_records": 500, "run_id": name})
    assert [one.context["seen"] for one in ports.incidents.opened] == [2]


def test_undated_figures_are_never_taken_for_the_same_run() -> None:
    """Without run id and time two equal reports may be two runs: no escalation is swallowed."""
    ports = memory_ports()
    for hour in (12, 13):
        run(ports, report={"late_records": 500}, timestamp=f"2026-01-01T{hour}:00:00+00:00")
    assert [one.context["seen"] for one in ports.incidents.opened] == [2]


def test_dated_documents_name_their_run() -> None:
    """Without a run id the same documents, with the time at which the run ended, are the same run."""
    dated = {"end_time": "2026-01-01T11:00:00"}
    assert run_key(scenario(dated)) == run_key(scenario(dated, timestamp="2026-01-01T13:00:00Z"))
    assert run_key(scenario(dated)) != run_key(scenario({**dated, "late_records": 1}))
    assert run_key(scenario(run_id="run-7")) == "run-7"


class Broken:
    """A port that fails."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a verb that raises."""

        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError(f"{name} is away")

        return fail


def but(ports: MemoryPorts, **others: Any) -> MemoryPorts:
    """Return the ports with others in their place."""
    return replace(ports, **others)


def test_a_failed_act_calls_a_person() -> None:
    """A tool that raises is recorded with what it said; the decision becomes an escalation with an incident."""
    ports = but(memory_ports(), retriggers=Broken())
    decision, journal = run(ports, report={"late_records": 5})
    assert tools_used(decision) == ["retrigger_task", "escalate_incident"]
    assert "RuntimeError: request is away" in decision.actions_taken[0].result.message
    assert (decision.decision, decision.escalation_required, decision.rows) == ("escalate", True, Rows.PUBLISH)
    assert decision.rules == ("late_within_limit", "act_failed")
    assert ports.incidents.opened[0].incident_type == "act_failed"
    assert [line.decision for line in journal.lines] == ["retrigger", "escalate"]
    assert journal.decisions[-1] == decision


def test_rows_that_could_not_be_set_aside_hold_the_run() -> None:
    """When the quarantine fails, no row of the run is published."""
    ports = but(memory_ports(), quarantine=Broken())
    decision, _ = run(ports, report=LOCALISED)
    assert (decision.rows, decision.escalation_required) == (Rows.HOLD, True)


def test_a_failed_escalation_is_still_one() -> None:
    """When no incident can be opened, the decision says so and still requires a person."""
    ports = but(memory_ports(), incidents=Broken())
    decision, _ = run(ports, report={"late_records": 500})
    assert [one.result.success for one in decision.actions_taken] == [False, False]
    assert decision.escalation_required
    assert decision.actions == (Action.ESCALATE,)


def test_a_failed_act_may_be_tried_again() -> None:
    """A failure is not kept as the act's result."""
    ports = memory_ports()
    run(but(ports, retriggers=Broken()), report={"late_records": 5, "run_id": "run-7"})
    decision, _ = run(ports, report={"late_records": 5, "run_id": "run-7"})
    assert decision.actions_taken[0].result.success
    assert len(ports.retriggers.requests) == 1


SHY = """
from agent.tools import tool
from mend.contracts.decision import ToolResult

asked = []

@tool
def shy(ports):
    asked.append(1)
    return ToolResult(success=len(asked) > 1, message=f"asked {len(asked)} times", timestamp=ports.clock().isoformat())
"""


def test_a_tool_that_says_it_failed_has_failed(tmp_path: Path) -> None:
    """A failure that is returned counts as one that is raised: a person is called, and it is tried again next time."""
    calling = MATRIX.read_text().replace(
        "    actions: [continue]\n", "    actions: [continue]\n    calls: [{tool: shy}]\n", 1
    )
    (tmp_path / "m.yml").write_text(calling)
    (tmp_path / "t.py").write_text(SHY)
    rules = Rules(matrix=tmp_path / "m.yml", tools=tmp_path / "t.py")
    ports = memory_ports()
    first, _ = run(ports, rules, report={"run_id": "run-7"})
    assert first.rules == ("healthy", "act_failed")
    assert [one.result.success for one in first.actions_taken] == [False, True]
    kept = [result.message for result in ports.acts.results.values()]
    assert kept == [f"incident {ports.incidents.opened[0].id} is open"]


def test_a_journal_that_cannot_be_written_stops_everything() -> None:
    """A decision is on record before its first act, or there is no act."""
    ports = memory_ports()
    with pytest.raises(RuntimeError, match="keep is away"):
        decide_run(scenario({"late_records": 500}), ports, Broken())
    assert ports.incidents.opened == []


def test_the_record_is_written_before_the_act() -> None:
    """When the first act begins, the decision stands in the journal already."""
    journal = MemoryJournal()
    seen: list[int] = []

    class Watching:
        def request(self, _: Any) -> None:
            seen.append(len(journal.lines))

    decide_run(scenario({"late_records": 5}), but(memory_ports(), retriggers=Watching()), journal)
    assert seen == [1]


@pytest.mark.parametrize("text", ["rules: []", "{", "limits: 14"])
def test_a_broken_matrix_escalates(tmp_path: Path, text: str) -> None:
    """Without a table nothing is known to be healthy: a person is called and the rows are held."""
    (tmp_path / "m.yml").write_text(text)
    ports = memory_ports()
    decision, _ = run(ports, Rules(matrix=tmp_path / "m.yml"))
    assert (decision.rules, decision.rows, decision.escalation_required) == (("decision_failed",), Rows.HOLD, True)
    assert "m.yml" in decision.reasoning
    assert ports.incidents.opened[0].severity is Severity.CRITICAL


def test_a_tool_that_is_not_there_escalates_before_anything_is_done(tmp_path: Path) -> None:
    """A rule that calls an unknown tool is found when the matrix is loaded, not when the rule fires."""
    calling = MATRIX.read_text().replace(
        "    actions: [retrigger]\n", "    actions: [retrigger]\n    calls: [{tool: x}]\n", 1
    )
    (tmp_path / "m.yml").write_text(calling)
    decision, _ = run(rules=Rules(matrix=tmp_path / "m.yml"))
    assert decision.rules == ("decision_failed",)
    assert "unknown tool 'x'" in decision.reasoning


def test_an_escalation_cancels_a_rules_own_calls(tmp_path: Path) -> None:
    """A retrigger or remap named as a call is cancelled by an escalation as the actions are; a notice is not."""
    calls = (
        "    calls: [{tool: notify_ops, params: {message: m}},"
        " {tool: retrigger_task, params: {dag_id: d, task_id: t}}]\n"
    )
    rule = "  - id: dq_within_limit\n"
    (tmp_path / "m.yml").write_text(MATRIX.read_text().replace(rule, rule + calls))
    rules = Rules(matrix=tmp_path / "m.yml")
    assert tools_used(run(rules=rules, report={"dq_failures": 3})[0]) == ["notify_ops", "retrigger_task"]
    both = run(rules=rules, report={"dq_failures": 3, "late_records": 500})[0]
    assert tools_used(both) == ["notify_ops", "escalate_incident"]


def test_the_same_context_gives_the_same_bytes() -> None:
    """A decision is a function of its evidence and its table, both of which it names by hash."""
    context = scenario({**LOCALISED, "late_records": 9}, consecutive_failures=1)
    first, second = decide(context, TABLE), decide(codec.loads(type(context), codec.dumps(context)), load_matrix())
    assert codec.dumps(first) == codec.dumps(second)
    assert first.matrix_hash == TABLE.version
    assert first.evidence_hash != decide(scenario(LOCALISED), TABLE).evidence_hash
    assert first.timestamp == NOON.isoformat()


def test_a_judgement_does_nothing() -> None:
    """What is to be done is known before anything is."""
    judgement = judge(scenario({"late_records": 5}), TABLE)
    assert [one.tool for one in judgement.acts] == ["retrigger_task"]
    assert judgement.decision.actions_taken == ()


# --- the command line


@pytest.fixture
def ops(tmp_path: Path) -> Path:
    """Return a folder with the documents of a healthy run."""
    (tmp_path / "run_report.json").write_bytes(orjson.dumps(REPORT))
    (tmp_path / "ge_results.json").write_bytes(orjson.dumps(AUDIT))
    return tmp_path


def report(ops: Path, **changes: Any) -> None:
    """Rewrite the run's report."""
    (ops / "run_report.json").write_bytes(orjson.dumps({**REPORT, **changes}))


def agent(ops: Path, *more: str) -> int:
    """Run the command line on the folder."""
    files = ["--run-report", str(ops / "run_report.json"), "--ge-results", str(ops / "ge_results.json")]
    return main([*files, *more])


def written(ops: Path) -> DecisionResult:
    """Return the decision as it was written."""
    return codec.loads(DecisionResult, (ops / "agent_decision.json").read_bytes())


def test_the_command_as_users_know_it(ops: Path) -> None:
    """The three flags decide, write the decision to the output and exit with 0 for a healthy run."""
    assert agent(ops, "--output", str(ops / "deep" / "decision.json")) == 0
    document = orjson.loads((ops / "deep" / "decision.json").read_bytes())
    assert (document["decision"], document["confidence"]) == ("continue", 1.0)
    assert (ops / "deep" / "decision_log.jsonl").exists()


def test_without_an_output_it_lies_beside_the_report(ops: Path) -> None:
    """The decision's file has its usual name in the report's folder."""
    assert agent(ops) == 0
    assert written(ops).decision == "continue"


def test_an_escalation_exits_with_one(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person is needed: exit code 1, an incident in the file, and a line for people on stderr."""
    report(ops, late_records=500)
    assert agent(ops) == 1
    incident = orjson.loads((ops / "incidents.jsonl").read_bytes())
    assert (incident["incident_type"], incident["status"]) == ("late_over_limit", "open")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("escalate: 500 of 1000 events are late (50 %, limit 15 %) [late_over_limit].")


def test_the_log_grows_by_a_line_each_time(ops: Path) -> None:
    """The decision log is append-only and has a line for each decision."""
    agent(ops)
    report(ops, dq_failures=1)
    agent(ops)
    lines = (ops / "decision_log.jsonl").read_bytes().splitlines()
    parsed = [codec.loads(DecisionLogLine, line) for line in lines]
    assert [line.rules for line in parsed] == [("healthy",), ("dq_within_limit",)]
    assert parsed[1].context_summary.dq_failures == 1


def test_twice_in_one_run_is_once(ops: Path) -> None:
    """The command run twice on the same run's files opens one incident."""
    report(ops, late_records=500, run_id="run-7")
    assert [agent(ops), agent(ops)] == [1, 1]
    assert len((ops / "incidents.jsonl").read_bytes().splitlines()) == 1


def test_missing_files_escalate(tmp_path: Path) -> None:
    """Files that are not there are decided about, not stumbled over."""
    assert agent(tmp_path) == 1
    decision = written(tmp_path)
    assert decision.rules == ("report_missing", "audit_missing")
    assert decision.rows is Rows.HOLD


def test_unreadable_files_escalate(tmp_path: Path) -> None:
    """A path that cannot be read, a folder for example, is an anomaly by that name."""
    (tmp_path / "run_report.json").mkdir()
    (tmp_path / "ge_results.json").mkdir()
    assert agent(tmp_path) == 1
    assert "unreadable" in written(tmp_path).reasoning


def test_json_goes_to_stdout(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout holds the decision and nothing else."""
    agent(ops, "--json")
    assert codec.loads(DecisionResult, capsys.readouterr().out) == written(ops)


def test_dry_run_writes_nothing(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run decides and leaves no trace."""
    report(ops, late_records=500)
    before = sorted(ops.iterdir())
    assert agent(ops, "--dry-run", "--json") == 1
    assert sorted(ops.iterdir()) == before
    assert orjson.loads(capsys.readouterr().out)["decision"] == "escalate"


def test_a_run_can_be_asked_for(ops: Path) -> None:
    """Documents of another run than asked for are refused."""
    report(ops, run_id="run-6")
    assert agent(ops, "--run-id", "run-7") == 1
    assert written(ops).rules == ("report_unusable", "audit_unusable")
    assert written(ops).run_id == "run-7"


def test_history_comes_with_a_context(ops: Path) -> None:
    """A context adds what is known beside the documents; the documents' own files go before it."""
    (ops / "ctx.json").write_bytes(orjson.dumps({"run_report": None, "consecutive_failures": 3}))
    assert agent(ops, "--context", str(ops / "ctx.json")) == 1
    assert written(ops).rules == ("consecutive_failures",)


def test_a_context_may_hold_all(tmp_path: Path) -> None:
    """A context with both documents needs no other file."""
    path = tmp_path / "ctx.json"
    path.write_bytes(orjson.dumps({"run_report": REPORT, "ge_results": AUDIT}))
    assert main(["--context", str(path)]) == 0
    assert written(tmp_path).decision == "continue"


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.mkdir(), lambda path: path.write_text("{")])
def test_a_context_that_cannot_be_read_escalates(ops: Path, make: Callable[[Path], None]) -> None:
    """A context that is missing, unreadable or broken was meant to say something: nothing is assumed."""
    make(ops / "ctx.json")
    assert agent(ops, "--context", str(ops / "ctx.json")) == 1
    assert written(ops).rules == ("context_unusable",)


def test_an_output_that_cannot_be_written(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear line, exit code 1, and nothing was done."""
    report(ops, late_records=500)
    (ops / "file").write_text("")
    assert agent(ops, "--output", str(ops / "file" / "decision.json")) == 1
    assert "could not be written, nothing was done" in capsys.readouterr().err
    assert not (ops / "incidents.jsonl").exists()


def test_failed_tools_are_shown(ops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a tool said when it failed stands on stderr."""
    report(ops, late_records=5)
    (ops / "retrigger.json").write_text("{")
    assert agent(ops) == 1
    assert "retrigger_task: UserError: " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--run-report", "x"], ["--ge-results", "x"], ["--no-such-flag"]])
def test_wrong_use(arguments: list[str]) -> None:
    """A missing or unknown flag is wrong use."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_it_runs_as_a_script(ops: Path) -> None:
    """From the repository's folder the script decides and acts; a notice leaves stdout to the decision."""
    rule = "  - id: dq_within_limit\n"
    calls = "    calls: [{tool: notify_ops, params: {message: look, severity: error}}]\n"
    (ops / "m.yml").write_text(MATRIX.read_text().replace(rule, rule + calls))
    report(ops, late_records=150, dq_failures=50)
    done = started("agent/decision_agent.py", ops, "--matrix", str(ops / "m.yml"), "--json")
    assert done.returncode == 0, done.stderr
    decision = codec.loads(DecisionResult, done.stdout)
    assert decision == written(ops)
    assert tools_used(decision) == ["retrigger_task", "notify_ops"]
    assert "ops_notice" in done.stderr


HEAVY = ("sqlalchemy", "structlog", "great_expectations", "pyspark", "duckdb", "pyarrow", "pandas", "scipy")


def test_it_runs_as_a_module_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """The exit code of an escalation reaches the shell without a stack trace, and no library that it does not need."""
    done = started("-m agent.decision_agent", tmp_path)
    assert done.returncode == 1
    assert "report_missing" in done.stderr
    assert "Traceback" not in done.stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "pydantic" in loaded
    assert loaded.isdisjoint(HEAVY)


def started(command: str, ops: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process on a folder; its imports are listed on stderr."""
    files = ["--run-report", str(ops / "run_report.json"), "--ge-results", str(ops / "ge_results.json")]
    return subprocess.run(
        [sys.executable, "-X", "importtime", *command.split(), *files, *more],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def test_results_are_stamped_by_the_ports_clock() -> None:
    """Time is handed in: acts carry the time of the ports, decisions that of their context."""
    decision, _ = run(report={"late_records": 5}, timestamp="2026-01-01T10:00:00+00:00")
    assert decision.timestamp == "2026-01-01T10:00:00+00:00"
    assert decision.actions_taken[0].timestamp == NOON.isoformat()
    assert isinstance(decision.actions_taken[0].result, ToolResult)


@pytest.mark.parametrize("left_behind", [False, True])
def test_a_report_that_was_left_behind_is_refused(tmp_path: Path, *, left_behind: bool) -> None:
    """Without a context a file must be of now; what its text says of the time is then another matter."""
    old = {**REPORT, "start_time": "2024-01-15T10:00:00", "end_time": "2024-01-15T10:05:00"}
    report, audit, output = (tmp_path / name for name in ("report.json", "audit.json", "out.json"))
    report.write_bytes(orjson.dumps(old))
    audit.write_bytes(orjson.dumps(AUDIT))
    if left_behind:
        os.utime(report, (0, 0))
    code = main(["--run-report", str(report), "--ge-results", str(audit), "--output", str(output)])
    decision = orjson.loads(output.read_bytes())
    assert code == int(left_behind)
    assert decision["rules"] == (["report_unusable"] if left_behind else ["healthy"])
