"""Decides about a run and acts: `python agent/decision_agent.py --run-report … --ge-results … [--output …]`.

The one place of this package that touches the world; what is decided comes from `agent.decide`, which does not.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from agent.context import DecisionContext, History, assemble, read_context, read_quality, read_report
from agent.decide import (
    Act,
    Judgement,
    act_failed,
    act_key,
    foreseen,
    judge,
    judge_failure,
    log_line,
    run_key,
    settled,
)
from agent.envelope import settle
from agent.evidence import evidence
from agent.foresight import EFFECTS
from agent.matrix_file import MATRIX, load_matrix
from agent.ports import AdviserPort, JournalPort, Ports
from agent.sanity import Anomaly, Problem, anomaly
from agent.tools import Tool, load_tools, tool_named
from agent.wiring import adviser_of, file_journal, file_ports
from mend.contracts import codec
from mend.contracts.decision import Action, ActionTaken, Check, DecisionResult, Fallback, ToolResult
from mend.runtime.clock import now
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.settings import load_settings

T = TypeVar("T")
TELLING = frozenset({"escalate_incident", "update_incident", "resolve_incident", "notify_ops", "open_circuit"})
"""Acts that call people or stop the machine: a person who pauses it wants these most."""
LEFT_BEHIND = timedelta(hours=24)
"""A report that is this old was not written by the run that asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The files that say what is done: the matrix, and the user's tools if there are any."""

    matrix: Path = MATRIX
    tools: Path | None = None


def decide_run(
    context: DecisionContext,
    ports: Ports,
    journal: JournalPort,
    rules: Rules | None = None,
    adviser: AdviserPort | None = None,
) -> DecisionResult:
    """Decide, write the decision down, act, and return it with what was done.

    An act that was done for this run before is not done again. Whatever fails on the way becomes an escalation;
    only a journal that cannot be written raises OSError, and then nothing was done. An adviser is heard, not obeyed.
    """
    rules = rules or Rules()
    table, tools = judged(context, rules)
    judgement = foreseen(advised(table, adviser))
    keep_matrix(journal, rules.matrix, judgement.decision.matrix_hash)
    journal.record(judgement.decision, log_line(context, judgement.decision))
    fault_point("decision_recorded")
    taken = act(judgement.acts, tools, ports, context)
    decision = settled(judgement.decision, taken)
    if decision.rules != judgement.decision.rules:
        journal.record(decision, log_line(context, decision))
        taken = (*taken, *act((act_failed(context, judgement.verdict, decision),), tools, ports, context))
        decision = replace(decision, actions_taken=taken)
    journal.finish(decision)
    return decision


def keep_matrix(journal: JournalPort, path: Path, version: str | None) -> None:
    """Keep the table as it was when it decided, so that the decision can be derived again."""
    content = path.read_bytes() if version else b""
    if sha256(content).hexdigest() == version:  # not so where somebody has just edited it
        journal.keep(f"matrices/{version}.yml", content)


def judged(context: DecisionContext, rules: Rules) -> tuple[Judgement, Mapping[str, Tool]]:
    """Decide by the matrix; when that fails for any cause, a person is called and nothing is published."""
    prepared = attempt(lambda: prepare(context, rules))
    if isinstance(prepared, Exception):
        return judge_failure(context, prepared), load_tools()
    return prepared


def advised(table: Judgement, adviser: AdviserPort | None) -> Judgement:
    """Ask the adviser about a run that is not simply published; whatever fails, the table's judgement stands."""
    if adviser is None or table.signals is None:
        return table
    if table.decision.actions == (Action.CONTINUE,):
        return settle(table, None, Fallback.NOT_ASKED)
    advice = attempt(lambda: adviser.propose(evidence(table)))
    if isinstance(advice, Exception):
        return settle(table, None, Fallback.FAILED)
    return settle(table, advice.proposal, advice.why_not, advice.seconds)


def prepare(context: DecisionContext, rules: Rules) -> tuple[Judgement, Mapping[str, Tool]]:
    """Load matrix and tools, check that they fit, and decide."""
    matrix, tools = load_matrix(rules.matrix), load_tools(rules.tools)
    for rule in (*matrix.rules, matrix.fallback):
        for call in rule.calls:
            tool_named(tools, call.tool)
    return judge(context, matrix), tools


def act(
    acts: Sequence[Act], tools: Mapping[str, Tool], ports: Ports, context: DecisionContext
) -> tuple[ActionTaken, ...]:
    """Do each act once; one that fails does not keep the others from being done, and its failure is its result."""
    key = run_key(context)
    return tuple(taken(one, tools, ports, context.run, act_key(key, one)) for one in acts)


def taken(act_: Act, tools: Mapping[str, Tool], ports: Ports, run_id: str | None, key: str) -> ActionTaken:
    """Do one act, unless it was done before, or a person has paused the machine."""
    why = None if act_.tool in TELLING else attempt(ports.brake)
    result = attempt(lambda: first_result(act_, tools, ports, run_id, key)) if why is None else None
    at = ports.clock().isoformat()
    if result is None:
        result = ToolResult(success=False, message=f"not done: {why}", timestamp=at)
    elif isinstance(result, Exception):
        result = ToolResult(success=False, message=f"{type(result).__name__}: {result}", timestamp=at)
    return ActionTaken(
        tool=act_.tool,
        params=act_.params,
        result=result,
        timestamp=at,
        target=act_.target,
        paused=why is not None,
    )


def first_result(act_: Act, tools: Mapping[str, Tool], ports: Ports, run_id: str | None, key: str) -> ToolResult:
    """Return the result of the first time; a failure is not kept, so that it can be tried again."""
    known = ports.acts.find(key)
    if known is not None:
        return known
    used = tool_named(tools, act_.tool)
    result = used(replace(ports, key=key), **act_.params)
    fault_point("act_done")
    result = checked(used, act_, ports, result)
    if result.success:
        ports.acts.keep(key, run_id, act_.tool, act_.target, result)
    return result


def checked(used: Tool, act_: Act, ports: Ports, result: ToolResult) -> ToolResult:
    """Look whether the act had its effect; one that had not has failed, whatever its tool said."""
    if used.look is None or not result.success:
        return result
    found, text = used.look(ports, result, **act_.params)
    report = Check(predicted=EFFECTS.get(used.name, result.message), found=text, ok=found, at=ports.clock().isoformat())
    message = result.message if found else f"{result.message}, but {text}"
    return replace(result, success=found, message=message, check=report)


def attempt(step: Callable[[], T]) -> T | Exception:
    """Return what the step returns or raises: the callers turn every error into an escalation, none is lost."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - the one broad catch of the service: unknown is not healthy
        return error


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="decision_agent.py", description="Decide what is done about a run, and do it.")
    made.add_argument("--run-report", type=Path, metavar="PATH", help="the run's report (run_report.json)")
    made.add_argument("--ge-results", type=Path, metavar="PATH", help="the audit of its rows (ge_results.json)")
    made.add_argument(
        "--output", type=Path, metavar="PATH", help="where the decision goes (default: agent_decision.json beside)"
    )
    made.add_argument("--context", type=Path, metavar="PATH", help="history and settings as JSON, maybe both documents")
    made.add_argument("--run-id", metavar="ID", help="refuse documents of any other run")
    made.add_argument("--matrix", type=Path, metavar="PATH", default=MATRIX, help="another decision matrix")
    made.add_argument("--tools", type=Path, metavar="PATH", help="a Python file with tools of your own")
    made.add_argument("--json", action="store_true", help="print the decision on stdout")
    made.add_argument("--dry-run", action="store_true", help="decide only: write nothing, do nothing")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 1 escalated or failed, 2 wrong use (a setting too)."""
    made = parser()
    args = made.parse_args(arguments)
    if args.context is None and (args.run_report is None or args.ge_results is None):
        made.error("--run-report and --ge-results are required (or --context with both documents in it)")
    output = args.output or (args.run_report or args.context).with_name("agent_decision.json")
    context = context_of(args.run_report, args.ge_results, args.context, args.run_id)
    rules = Rules(matrix=args.matrix, tools=args.tools)
    try:
        decision = run(context, rules, None if args.dry_run else output)
    except OSError as error:
        sys.stderr.write(f"The decision could not be written, nothing was done: {error}\n")
        return 1
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    show(decision, as_json=args.json)
    return 1 if decision.escalation_required else 0


def run(context: DecisionContext, rules: Rules, output: Path | None) -> DecisionResult:
    """Decide and act with files beside the output; without an output decide only, by the rules alone."""
    if output is None:
        return judged(context, rules)[0].decision
    adviser = adviser_of(load_settings())
    return decide_run(context, file_ports(output.parent), file_journal(output), rules, adviser)


def context_of(report: Path | None, quality: Path | None, history: Path | None, run_id: str | None) -> DecisionContext:
    """Read the evidence from files; the documents' own files go before what the context holds.

    Without a context nobody says of when the question is: then the files' own times must be of now.
    """
    moment = now().isoformat()
    context = whole_context(history, moment)
    content_of = read_file if history else read_fresh_file
    if report:
        content = content_of(report)
        context = replace(context, run_report=content if isinstance(content, Anomaly) else read_report(content))
    if quality:
        content = content_of(quality)
        context = replace(context, ge_results=content if isinstance(content, Anomaly) else read_quality(content))
    context = replace(context, age_vouched=history is None)
    return replace(context, run_id=run_id) if run_id else context


def whole_context(history: Path | None, moment: str) -> DecisionContext:
    """Read the context's file; without one there is no history."""
    content = read_file(history) if history else None
    if isinstance(content, Anomaly):
        return assemble(content, content, content, now=moment)
    if history:
        return read_context(content, now=moment)
    return assemble(read_report(None), read_quality(None), History(), now=moment)


def read_fresh_file(path: Path) -> bytes | Anomaly | None:
    """Return a file's bytes, an anomaly if an earlier run left it behind."""
    content = read_file(path)
    if not isinstance(content, bytes):
        return content
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if now() - written <= LEFT_BEHIND:
        return content
    return anomaly(Problem.STALE, f"the file was left behind: nobody wrote it since {written:%Y-%m-%d %H:%M}")


def read_file(path: Path) -> bytes | Anomaly | None:
    """Return a file's bytes, None if there is none, an anomaly if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return anomaly(Problem.UNREADABLE, f"it cannot be read: {error.strerror}")


def show(decision: DecisionResult, *, as_json: bool) -> None:
    """Print the decision for people on stderr and, if asked, as JSON on stdout."""
    actions = " + ".join(action.value for action in decision.actions)
    sys.stderr.write(f"{actions}: {decision.reasoning}\n")
    failed = [f"{one.tool}: {one.result.message}\n" for one in decision.actions_taken if not one.result.success]
    sys.stderr.writelines(failed)
    if as_json:
        sys.stdout.write(codec.dumps(decision).decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
