from pathlib import Path

import pytest

from mend.runtime.kafka_access import KafkaAccess
from producer.__main__ import run
from producer.session import Options

FLAGS = [
    *(
        "--broker",
        "--topic",
        "--create-topic",
        "--schema-path",
        "--format",
        "--seed",
        "--start-ts",
        "--json",
        "--quiet",
    ),
    *("--rate", "--count", "--duration"),
    *("--late-rate", "--drift-frequency", "--missing-rate", "--malformed-rate", "--duplicate-rate"),
]


def test_help_shows_every_flag_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` exits with 0 and names the flags, their defaults and commands to copy."""
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [flag for flag in FLAGS if flag not in shown] == []
    assert "python -m producer --rate 0 --count 1000 --seed 7" in shown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rat", "1"], "--rat"),
        (["--rate", "-1"], "--rate"),
        (["--rate", "nan"], "--rate"),
        (["--rate", "fast"], "--rate"),
        (["--late-rate", "1.5"], "--late-rate"),
        (["--malformed-rate", "nan"], "--malformed-rate"),
        (["--duration", "inf"], "--duration"),
        (["--count", "-3"], "--count"),
        (["--format", "xml"], "--format"),
        (["--start-ts", "5"], "--start-ts"),
        (["--schema-path", "/nowhere/x.avsc"], "--schema-path"),
        (["surplus"], "surplus"),
    ],
)
def test_a_wrong_flag_is_one_line_that_names_it(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, nothing on stdout, one line on stderr with the flag and where to look."""
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert named in err
    assert "--help" in err
    assert err.count("\n") == 1


def test_a_wrong_environment_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment is checked before anything is sent."""
    monkeypatch.setenv("SINK_MODE", "PAPER")
    assert run(["--count", "1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "SINK_MODE" in err
    assert err.count("\n") == 1


def test_a_lone_schema_is_refused_before_the_broker_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--format avro` a schema file without its versions is wrong use, whatever the broker."""
    lone = tmp_path / "events.avsc"
    lone.write_text("{}")
    assert run(["--format", "avro", "--schema-path", str(lone), "--broker", "127.0.0.1:1"]) == 2
    assert "events.v1.avsc" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rate", "count", "duration", "expected"),
    [(10.0, None, 60.0, 600), (10.0, 5, 60.0, 5), (0.0, 7, 60.0, 7), (0.0, None, 60.0, None), (10.0, None, None, None)],
)
def test_how_many_events_are_expected(
    rate: float, count: int | None, duration: float | None, expected: int | None
) -> None:
    """The progress bar has an end where count, or rate and duration, set one."""
    options = Options(KafkaAccess("broker"), "topic", 0, rate=rate, count=count, duration=duration)
    assert options.expected == expected
