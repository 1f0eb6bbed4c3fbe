"""Mappings by hand: a file is checked, tried on rows that are there, used only if its trial passed, and taken back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.mapping import MappedField, Mapping
from mend.curate.filled import fill, fill_files
from mend.curate.plan import make_plan
from mend.remap.distance import distance, is_far
from mend.remap.offers import set_aside_files
from mend.remap.past_rows import rewritten_records
from mend.runtime.errors import UserError
from mend.store.mappings import MappingConflict
from orchestration.mapping import known_trial, revert, site_of, try_file, use
from spark.stager import Stager
from tests.fast.lane import Lane, open_lane
from tests.fast.test_renames import events

ANN = {"by": "ann", "reason": "asked the shop"}


@pytest.fixture
def lane(home: Path) -> Iterator[Lane]:
    """Open a lane of the test's own."""
    with open_lane(home) as opened:
        yield opened


@pytest.fixture
def held(lane: Lane) -> Lane:
    """Return a lane with a good run, and one whose events have `mail` for `email`, values that were never there."""
    return with_held(lane)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """Return such a lane for tests that use no mapping."""
    with open_lane(tmp_path_factory.mktemp("home")) as opened:
        yield with_held(opened)


def with_held(lane: Lane) -> Lane:
    """Run a good batch and one with a renamed field."""
    lane.run(*events(0))
    lane.run(*(
        orjson.dumps(orjson.loads(one) | {"mail": f"other{number}@x.org"})
        for number, one in enumerate(events(100, email="mail"))
    ))  # fmt: skip
    assert lane.workspace.store.mappings.current("customers") is None
    return lane


def written(lane: Lane, text: str) -> Path:
    """Write a mapping file."""
    path = lane.workspace.settings.home / "mapping.yml"
    path.write_text("pipeline: customers\n" + text)
    return path


MISTAKES = {
    "fields:\n  emial: {from: mail}": r"mapping.yml:3: fields.emial: the contract has no field 'emial'. A new field",
    "fields:\n  email: {from: maill}": r"no event of late has a field 'maill'. Did you mean 'mail'\?",
    "fields:\n  email: {from: plan}": r"email and plan are both read from 'plan'",
    "fields:\n  email: {from: name}\n  name: {from: email}": r"a loop, \w+ ← \w+ ← \w+",
    "fields:\n  email: {form: mail}": r"unknown key 'form'. Did you mean 'from'\?",
    "fields:\n  email: {from: mail, type: long}": r"the contract says its type \(VARCHAR\)",
    "fields:\n  post: {from: mail, type: strin}": r"unknown type 'strin'. Did you mean 'string'\?",
    "fields:\n  run_id: {from: mail, type: string}": r"the name is taken",
    "fields:\n  EMAIL: {from: mail, type: string}": r"two columns would be called 'email'",
    "without: [plan]": r"'plan' is no field that was added",
    "base: 7\nfields:\n  email: {from: mail}": r"it was made on version 7, and version 0 is used now",
    "feilds: {}": r"unknown key 'feilds'. Did you mean 'fields'\?",
    "fields: [a]": r"expected 'name: \{from: source\}'",
}


@pytest.mark.parametrize("text", MISTAKES, ids=[text.splitlines()[-1] for text in MISTAKES])
def test_a_mistake_in_a_mapping_file_is_told(unchanged: Lane, text: str) -> None:
    """File, line, what is wrong and the nearest name; nothing is tried."""
    with pytest.raises(UserError, match=MISTAKES[text]):
        try_file(unchanged.workspace, written(unchanged, text))


def test_a_mapping_of_another_pipeline_is_refused(unchanged: Lane) -> None:
    """A file belongs to one pipeline."""
    path = written(unchanged, "fields:\n  email: {from: mail}")
    path.write_text(path.read_text().replace("customers", "orders"))
    with pytest.raises(UserError, match="it is a mapping of the pipeline 'orders', not of 'customers'"):
        try_file(unchanged.workspace, path)


def test_a_tried_mapping_is_used_and_taken_back(held: Lane) -> None:
    """The trial says what would fit; the next batch is read so; used twice is used once; a revert is a new version."""
    name, trial = try_file(held.workspace, written(held, "fields:\n  email: {from: mail}"))
    assert (trial.passed, trial.set_aside.rows, trial.set_aside.fit, trial.set_aside_before.fit) == (True, 60, 60, 0)
    assert trial.set_aside_before.reasons == (("required email", 60),)
    assert held.workspace.store.mappings.current("customers") is None
    made = use(held.workspace, name[:10], **ANN)
    assert (made.version, made.created_by, made.trial) == (2, "ann", name)
    assert use(held.workspace, name, by="bob", reason="") == made
    run_id = held.run(*events(200, email="mail"))
    (path,) = held.workspace.layout.published(run_id).rglob("*.parquet")
    assert set(pq.read_table(path, partitioning=None)["mapping_version"].to_pylist()) == {2}
    back = revert(held.workspace, 1, **ANN)
    assert (back.version, revert(held.workspace, 1, **ANN)) == (3, back)
    with pytest.raises(MappingConflict):
        use(held.workspace, name, **ANN)
    run_id = held.run(*events(300))
    places = held.report(run_id).places
    assert places is not None
    assert places.accepted == 60
    assert held.certify().proof.findings == ()
    log = (held.workspace.layout.ops / "decision_log.jsonl").read_text()
    assert log.count("asked the shop") == 2


def test_a_stream_takes_the_newest_mapping_for_each_batch(held: Lane) -> None:
    """Without a restart: what was used, or reverted, since the last micro-batch is read before the next one."""
    workspace = held.workspace
    stager = Stager(workspace.settings, workspace.store, workspace.pipeline, workspace.rules, said=print)
    assert stager.newest_plan().pipeline.source("email") == "email"
    name, _ = try_file(workspace, written(held, "fields:\n  email: {from: mail}"))
    use(workspace, name, **ANN)
    assert (stager.newest_plan().pipeline.source("email"), stager.newest_plan().mapping_version) == ("mail", 2)
    revert(workspace, 1, **ANN)
    assert (stager.newest_plan().pipeline.source("email"), stager.newest_plan().mapping_version) == ("email", 3)


def test_a_mapping_that_makes_rows_worse_is_refused(unchanged: Lane) -> None:
    """Fewer rows would fit, or values of another kind would stand in a column: the trial says which, and it is kept."""
    name, trial = try_file(unchanged.workspace, written(unchanged, "fields:\n  name: {from: mail}"))
    assert trial.against == ("no set-aside row fits by reading name from elsewhere",)
    with pytest.raises(UserError, match="did not pass: no set-aside row fits"):
        use(unchanged.workspace, name, **ANN)
    assert known_trial(unchanged.workspace, name[:8])[1] == trial
    with pytest.raises(UserError, match="no trial of customers"):
        known_trial(unchanged.workspace, "00")


def test_values_of_another_kind_speak_against_a_mapping(lane: Lane) -> None:
    """Rows would fit, but the column would hold what it never held: a person finds the distance in the trial."""
    lane.run(*events(0))
    lane.run(*(orjson.dumps(orjson.loads(one) | {"tag": "123-456"}) for one in events(100, name="label")))
    name, trial = try_file(lane.workspace, written(lane, "without: [tag]\nfields:\n  name: {from: tag}"))
    assert [one for one in trial.against if one.startswith("the values of name are others")], trial.against
    with pytest.raises(UserError, match="did not pass"):
        use(lane.workspace, name, **ANN)


def spoilt(first: int, **renames: str) -> list[bytes]:
    """Return events of which those of one country fail a quality rule."""
    made = [orjson.loads(one) for one in events(first, 120, **renames)]
    return [orjson.dumps(one | ({"email": "none"} if one["country"] == "DE" else {})) for one in made]


def test_rows_that_fail_whatever_the_mapping_is_do_not_speak_against_it(lane: Lane) -> None:
    """Held rows failed a rule before; only the failures that a mapping brings are its own."""
    lane.run(*events(0))
    lane.run(*spoilt(100))
    lane.run(*events(300, plan="tariff"))
    _, trial = try_file(lane.workspace, written(lane, "fields:\n  plan: {from: tariff}"))
    assert (trial.set_aside_before.failed_rules, trial.set_aside.failed_rules) == (30, 30)
    assert trial.passed, trial.against
    lane.run(*spoilt(500, plan="tariff"))
    _, trial = try_file(lane.workspace, written(lane, "fields:\n  plan: {from: tariff}"))
    assert trial.against == ("30 more of the 210 rows that fit fail a quality rule",)


def test_a_trial_of_other_rules_is_not_used(unchanged: Lane) -> None:
    """The contract changed since: what was tried is not what would be done."""
    name, _ = try_file(unchanged.workspace, written(unchanged, "fields:\n  email: {from: mail}"))
    rules = replace(unchanged.workspace.rules, content=b"changed")
    with pytest.raises(UserError, match="other files of the pipeline"):
        use(replace(unchanged.workspace, rules=rules), name, **ANN)


def test_files_of_others_in_quarantine_are_left_out(held: Lane) -> None:
    """A foreign file, one that is no Parquet, and rows that a rule holds do not keep a mapping from being tried."""
    run_id = held.workspace.store.runs.recent("customers", 1)[0].run_id
    folder = held.workspace.layout.quarantine(run_id)
    (folder / "notes.parquet").write_bytes(b"no parquet")
    pq.write_table(pa.table({"a": [1]}), folder / "foreign.parquet")
    assert all(path.name.startswith("part") for path in set_aside_files(site_of(held.workspace)))
    assert try_file(held.workspace, written(held, "fields:\n  email: {from: mail}"))[1].passed


def test_the_command_line_tries_uses_and_shows(held: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 for a mapping that does not pass; a used one is listed, shown and compared."""
    held.for_commands(monkeypatch)

    def mend(*words: str) -> tuple[int, Any]:
        """Run a command."""
        result = CliRunner().invoke(cli, ["mapping", *words, "--json"])
        return result.exit_code, orjson.loads(result.stdout) if result.stdout else result.exception

    bad = str(written(held, "fields:\n  name: {from: mail}"))
    code, tried = mend("apply", bad)
    assert (code, tried["passed"]) == (3, False)
    good = str(written(held, "fields:\n  email: {from: mail}"))
    assert mend("apply", good, "--dry-run")[0] == 0
    code, made = mend("apply", good, "--by", "ann")
    assert (code, made["version"]) == (0, 2)
    assert [one["version"] for one in mend("ls")[1]] == [1, 2]
    assert mend("show")[1]["trial"] == mend("trial", made["trial"][:8])[1]["trial"]
    assert mend("diff", "1", "2") == (1, ["~ email: VARCHAR, not null  →  email: VARCHAR, not null from mail"])
    assert mend("revert", "1")[1]["version"] == 3
    shown = CliRunner().invoke(cli, ["mapping", "trial", made["trial"][:8]])
    assert "60 of 60 rows fit" in shown.stdout


def test_an_offered_mapping_is_used_when_a_person_agrees(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename that the machine must not use alone is held with a tried mapping; `mend decision approve` uses it."""
    lane.run(*events(0))
    other = [orjson.dumps(orjson.loads(one) | {"e_mail": f"x{number}@else.net"})
             for number, one in enumerate(events(100, email="e_mail"))]  # fmt: skip
    run_id = lane.run(*other)
    drift = lane.report(run_id).drift
    assert drift is not None
    (found,) = drift.renamed_candidates
    assert (found.action, bool(found.trial)) == ("ask", True)
    assert lane.workspace.store.mappings.current("customers") is None
    lane.for_commands(monkeypatch)
    answer = CliRunner().invoke(cli, ["decision", "approve", run_id, "--by", "ann", "--json"])
    assert orjson.loads(answer.stdout)["mapping_version"] == 2
    assert lane.workspace.store.decisions.get(run_id) is not None
    again = CliRunner().invoke(cli, ["decision", "approve", run_id, "--by", "ann", "--json"])
    assert orjson.loads(again.stdout)["mapping_version"] == 2


def test_published_rows_are_written_again_as_they_came(lane: Lane) -> None:
    """Letters, backslashes, quotes, nulls and what was rescued: the same event, under the new names."""
    sent = [orjson.loads(one) for one in events(0, 20)]
    for number, one in enumerate(sent):
        one |= {"name": ["Zoë \\x41", 'a "b"', "日本\n"][number % 3], "note": {"a": [1, None]}}
    run_id = lane.stage(*map(orjson.dumps, sent))
    files = sorted((lane.workspace.layout.staged(run_id) / "accepted").rglob("*.parquet"))
    plan = make_plan(lane.workspace.pipeline, lane.workspace.rules)
    names = {one.name: one.name for one in plan.fields} | {"name": "full_name"}
    (records,) = rewritten_records(files, plan.fields, names)
    found = sorted((orjson.loads(one) for one in records["value"].to_pylist()), key=lambda one: str(one["id"]))
    for one in sent:
        one["full_name"] = one.pop("name")
    assert found == sorted(sent, key=lambda one: str(one["id"]))


def test_a_rename_wins_until_the_pipeline_file_says_otherwise(lane: Lane) -> None:
    """The file is the newer word: a field that it reads from elsewhere since is read from there."""
    pipeline, rules = lane.workspace.pipeline, lane.workspace.rules
    email = MappedField(name="email", source="mail", type="VARCHAR", renamed_from="email")
    mapping = Mapping(pipeline="customers", version=2, fields=(email,), created_at="", created_by="ann")
    assert make_plan(pipeline, rules, mapping).pipeline.source("email") == "mail"
    changed = replace(pipeline, mapping={"email": "e_mail"})
    assert make_plan(changed, rules, mapping).pipeline.source("email") == "e_mail"


def test_rescued_values_of_another_type_stay_rescued(tmp_path: Path) -> None:
    """A column takes what is of its type; the rest is kept as it came, in the old version."""
    table = pa.table({
        "rescued": ['{"score":1.5,"a":1}', '{"score":"2.5"}', None, '{"score":null}'],
        "mapping_version": pa.array([1] * 4, pa.int32()),
    })  # fmt: skip
    score = MappedField(name="score", source="score", type="DOUBLE", added=True)
    found, rows = fill(table, [score], 2)
    assert rows == 1
    assert found["score"].to_pylist() == [1.5, None, None, None]
    assert found["rescued"].to_pylist() == ['{"a":1}', '{"score":"2.5"}', None, '{"score":null}']
    assert found["mapping_version"].to_pylist() == [2, 1, 1, 1]
    pq.write_table(table, tmp_path / "a.parquet")
    assert (fill_files(tmp_path, [score], 2), fill_files(tmp_path, [score], 2)) == (1, 0)


def test_distances_of_values() -> None:
    """0 for the same values, near 1 for others, by values where they repeat and by form where they do not."""
    numbers = pa.chunked_array([[float(one) for one in range(100)]])
    assert distance(numbers, numbers) == 0
    shifted = pa.chunked_array([[one.as_py() + 1_000 for one in numbers]])
    assert distance(numbers, shifted) == 1
    plans, others = pa.chunked_array([["a", "b"] * 50]), pa.chunked_array([["a", "c"] * 50])
    assert distance(plans, others) == 0.5
    mails = [pa.chunked_array([[f"x{one}@{host}" for one in range(100)]]) for host in ("a.org", "b.org")]
    assert distance(*mails) == 0
    assert distance(numbers.slice(0, 5), numbers) is None
    assert (is_far(0.5, 1000, 1000, 0.25), is_far(0.3, 20, 20, 0.25), is_far(None, 9, 9, 0.1)) == (True, False, False)
