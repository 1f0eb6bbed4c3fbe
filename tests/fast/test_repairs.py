"""Repairs of single events: what each kind of step makes of them, and which expressions never run."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pytest

from mend.contracts.quarantine import Step
from mend.curate.plan import Plan
from mend.quarantine.expression import FUNCTIONS, check_expression
from mend.quarantine.repair import check_cast, json_text, repaired
from mend.quarantine.wishes import Wishes, as_options, steps_of
from mend.runtime.errors import UserError

SEEN = frozenset({"a", "b", "tariff", "plan", "id"})


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine as a repair does."""
    with duckdb.connect(config={"threads": 1, "enable_external_access": False}) as opened:
        opened.execute("SET TimeZone = 'UTC'").fetchall()
        yield opened


CASES: list[tuple[Step, str | None, str | None]] = [
    (Step(kind="rename", target="n", value="o"), '{"o":null,"z":1}', '{"n":null,"z":1}'),
    (Step(kind="rename", target="n", value="o"), '{"o":1,"n":2}', '{"o":1,"n":2}'),
    (Step(kind="rename", target="n/m~", value="o"), '{"o":[1]}', '{"n/m~":[1]}'),
    (Step(kind="cast", target="a", value="int"), '{"a":" 007 "}', '{"a":7}'),
    (Step(kind="cast", target="a", value="int"), '{"a":"7.5"}', '{"a":"7.5"}'),
    (Step(kind="cast", target="a", value="int"), '{"a":12.0}', '{"a":12}'),
    (Step(kind="cast", target="a", value="int"), '{"a":"170141183460469231731687303715884105727"}',
     '{"a":170141183460469231731687303715884105727}'),
    (Step(kind="cast", target="a", value="double"), '{"a":"NaN"}', '{"a":"NaN"}'),
    (Step(kind="cast", target="a", value="boolean"), '{"a":"Yes"}', '{"a":true}'),
    (Step(kind="cast", target="a", value="string"), '{"a":12345678901234567890.5}', None),
    (Step(kind="cast", target="a", value="trim"), '{"a":"\\t x "}', '{"a":"x"}'),
    (Step(kind="cast", target="a", value="trim"), '{"a":5}', '{"a":5}'),
    (Step(kind="cast", target="a", value="epoch_ms"), '{"a":"2026-03-01T12:00:00+01:00"}', '{"a":1772362800000}'),
    (Step(kind="cast", target="a", value="epoch_ms:%d.%m.%Y"), '{"a":"31.02.2026"}', '{"a":"31.02.2026"}'),
    (Step(kind="cast", target="a", value="iso"), '{"a":1772362800000}', '{"a":"2026-03-01T11:00:00.000000Z"}'),
    (Step(kind="cast", target="a", value="x1000"), '{"a":1772362800}', '{"a":1772362800000}'),
    (Step(kind="cast", target="a", value="/100"), '{"a":1999}', '{"a":19.99}'),
    (Step(kind="cast", target="a", value="x1000"), '{"a":"much"}', '{"a":"much"}'),
    (Step(kind="default", target="a", value='"x"'), '{"a":null}', '{"a":"x"}'),
    (Step(kind="default", target="a", value="1"), '{"a":0}', '{"a":0}'),
    (Step(kind="enum", target="a", values={"fre": "free"}), '{"a":"fre"}', '{"a":"free"}'),
    (Step(kind="enum", target="a", values={"'": '"'}), '{"a":"\'"}', '{"a":"\\""}'),
    (Step(kind="sql", target="a", value="lower(trim(a)) || b -- it is"), '{"a":" X","b":1}', '{"a":"x1","b":1}'),
    (Step(kind="sql", target="a", value="CAST(a AS INTEGER)"), '{"a":"no"}', '{"a":"no"}'),
    (Step(kind="cast", target="a", value="int"), None, None),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_changes_its_field_and_nothing_else(
    db: duckdb.DuckDBPyConnection, case: tuple[Step, str | None, str | None]
) -> None:
    """Where it has nothing to say the event stays as it came, to the byte."""
    step, before, after = case
    (found,) = repaired(db, [step], pa.array([before], pa.string()), ["a", "b"]).to_pylist()
    if after is None and before is not None:
        assert isinstance(orjson.loads(found)["a"], str)
    else:
        assert (found and orjson.loads(found)) == (after and orjson.loads(after))
        if before == after:
            assert found == before


def test_other_members_keep_every_digit(db: duckdb.DuckDBPyConnection) -> None:
    """A number that no double holds, nulls and nested values are there unchanged after a repair."""
    text = '{"a":"1","b":12345678901234567890123,"c":null,"d":{"x":null,"y":[1,null]},"e":0.12345678901234567890}'
    (found,) = repaired(db, [Step(kind="cast", target="a", value="int")], pa.array([text]), []).to_pylist()
    for part in ('"b":12345678901234567890123', '"c":null', '"d":{"x":null,"y":[1,null]}', '"a":1,'):
        assert part in found


REFUSED = (
    "(SELECT 1)", "a; ATTACH 'x'", "a FROM t", "1) FROM (SELECT 1", "read_text('/etc/passwd')", "read_blob('x')",
    "a = ANY(SELECT 1)", "EXISTS (SELECT 1)", "getenv('HOME')", "current_setting('threads')", "getvariable('now')",
    "query('SELECT 1')", "random()", "now()", "uuid()", "count(*)", "sum(a) OVER ()", "*", "COLUMNS(*)", "?", "$1",
    "main.lower(a)", "system.main.lower(a)", "unnest([1])", "repeat('x', 1000000000)", "a, b", "a AS c", "nobody",
    "pragma_version()", "nextval('s')", "COPY t TO 'x'", "PRAGMA threads=1", "a WHERE TRUE", "a ORDER BY 1",
    "a LIMIT 1",
    "lower(DISTINCT a)",
    "list_transform([1], lambda x: read_text('x'))", "getenv(a)::INTEGER", "", "a /*",
    "CASE WHEN a = '1' THEN (SELECT 1) END", "a UNION SELECT 1", "sleep_ms(1000)",
    "lower(a, b)", "ALL a", "a + b", "DISTINCT a", "error('x')", "'x'" * 1000,
)  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_an_expression_that_could_do_more_is_refused(text: str) -> None:
    """Sub-queries, statements, files, settings, chance, time, many rows: none of it is run, at any depth."""
    with pytest.raises(UserError, match="--sql"):
        check_expression(text, SEEN)


@pytest.mark.parametrize(
    "text", ["lower(a)", "CASE WHEN a = '1' THEN 2 ELSE b::INTEGER END", "list_transform([1], lambda x: x + 1)",
             "a IN ('x', 'y') AND NOT b LIKE 'z%'", "epoch_ms(strptime(a, '%d.%m.%Y'))", "a[1:3]", "a /* why */"],
)  # fmt: skip
def test_a_plain_expression_is_allowed(text: str) -> None:
    """What is a function of the event's own values may be written."""
    check_expression(text, SEEN)


def test_every_allowed_function_is_one_of_values(db: duckdb.DuckDBPyConnection) -> None:
    """None of those on the list is a table function, an aggregate, or differs from call to call by itself."""
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_name IN (SELECT unnest($1)) AND "
    names = sorted(FUNCTIONS)
    volatile = db.execute(query + "stability = 'VOLATILE'", [names]).fetchall()
    tables = db.execute(query + "function_type IN ('table', 'pragma', 'table_macro')", [names]).fetchall()
    assert (volatile, tables) == ([], [])


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        (Wishes(mapping=["plna=tariff"]), "no field of the contract. Did you mean 'plan'"),
        (Wishes(mapping=["plan=tarif"]), "no event that is meant has a field 'tarif'. Did you mean 'tariff'"),
        (Wishes(mapping=["plan=tariff", "name=tariff"]), "two fields cannot be made into one"),
        (Wishes(mapping=["plan=tariff", "plan=a"]), "'plan' stands there twice"),
        (Wishes(mapping=["plan=id", "id=plan"]), "a mapping cannot go in a circle"),
        (Wishes(mapping=["nowhere.yml"]), "expected FIELD=OBSERVED, or a file"),
        (Wishes(cast=["plan=nonsense"]), "no cast 'nonsense'"),
        (Wishes(cast=["plan"]), "expected FIELD=SOMETHING"),
        (Wishes(enum_map=["plan=x"]), "expected FIELD:OLD=NEW"),
        (Wishes(sql=["plan=read_text('x')"]), "is not allowed"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused(customers: Plan, wishes: Wishes, told: str) -> None:
    """Each says what was written, and what could have been meant."""
    with pytest.raises(UserError) as error:
        steps_of(customers, wishes, SEEN)
    assert told in str(error.value)


def test_a_mapping_file_of_another_pipeline_is_refused(customers: Plan, tmp_path: Path) -> None:
    """A file may say of which pipeline it is; then it is used for no other one."""
    path = tmp_path / "mapping.yml"
    path.write_text("pipeline: orders\nmapping:\n  plan: tariff\n")
    with pytest.raises(UserError, match="of the pipeline 'orders', not of 'customers'"):
        steps_of(customers, Wishes(mapping=[str(path)]), SEEN)
    path.write_text("pipeline: customers\nmapping:\n  plan: tariff\n")
    assert steps_of(customers, Wishes(mapping=[str(path)]), SEEN) == (
        Step(kind="rename", target="plan", value="tariff"),
    )


def test_steps_are_written_as_the_options_that_make_them(customers: Plan) -> None:
    """What was picked at a terminal can be scripted: the options give the same steps."""
    steps = (
        Step(kind="rename", target="plan", value="tariff"), Step(kind="cast", target="id", value="trim"),
        Step(kind="enum", target="plan", values={"a=b": "free", "c": "d"}),
        Step(kind="default", target="plan", value='"free"'), Step(kind="default", target="version", value="1"),
        Step(kind="default", target="plan", value='"12"'), Step(kind="sql", target="id", value="lower(id)"),
    )  # fmt: skip
    words = [word for step in steps for word in as_options(step, customers)]
    options: dict[str, list[str]] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        options.setdefault(name.removeprefix("--").replace("-", "_"), []).append(value)
    assert sorted(steps_of(customers, Wishes(**options), SEEN), key=str) == sorted(steps, key=str)


@pytest.mark.parametrize("kind", ["x0", "x-1", "xx", "trim:%d", "inf", "/0"])
def test_a_cast_that_makes_no_sense_is_refused(kind: str) -> None:
    """A factor must be a number over zero; only times have a format."""
    with pytest.raises(UserError, match="no cast"):
        check_cast(kind)


def test_a_default_is_json_or_a_text() -> None:
    """Numbers, null and lists are written as in JSON, anything else is a text."""
    assert [json_text(one) for one in ("1", "null", '["a"]', "free", '"1"')] == ["1", "null", '["a"]', '"free"', '"1"']
