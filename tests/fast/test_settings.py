"""Settings come from the environment; what cannot be used is one line that names the variable."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import SaslMechanism, SecurityProtocol
from mend.runtime.layout import Layout
from mend.runtime.settings import (
    AirflowApiVersion,
    LlmProvider,
    Settings,
    SinkMode,
    env_example,
    load_settings,
    variable,
)

ROOT = Path(__file__).parents[2]
VARIABLES = {
    "MEND_HOME": "mend_home", "MEND_PIPELINES": "pipelines", "KAFKA_BROKER": "kafka_broker",
    "KAFKA_TIMEOUT_SECONDS": "kafka_timeout_seconds",
    "KAFKA_SECURITY_PROTOCOL": "kafka_security_protocol", "KAFKA_SASL_MECHANISM": "kafka_sasl_mechanism",
    "KAFKA_SASL_USERNAME": "kafka_sasl_username", "KAFKA_SASL_PASSWORD": "kafka_sasl_password",
    "KAFKA_SSL_CA": "kafka_ssl_ca", "KAFKA_SSL_CERTIFICATE": "kafka_ssl_certificate", "KAFKA_SSL_KEY": "kafka_ssl_key",
    "KAFKA_SSL_KEY_PASSWORD": "kafka_ssl_key_password",
    "KAFKA_TOPIC": "kafka_topic", "SINK_MODE": "sink_mode", "PARQUET_OUT": "parquet_out",
    "SPARK_MASTER": "spark_master",
    "SPARK_CHECKPOINT_LOCATION": "spark_checkpoint_location", "SNOWFLAKE_ACCOUNT": "snowflake_account",
    "PROCESSING_DURATION_MINUTES": "processing_duration_minutes", "DATABASE_URL": "database_url",
    "FAULT_AT": "fault_at",
    "ALERT_SLACK_WEBHOOK_URL": "alert_slack_webhook_url", "SLACK_BOT_TOKEN": "slack_bot_token",
    "SLACK_CHANNEL": "slack_channel", "SLACK_API_URL": "slack_api_url", "ALERT_EMAIL": "alert_email",
    "SMTP_SERVER": "smtp_server", "SMTP_PORT": "smtp_port", "SMTP_USER": "smtp_user", "SMTP_PASSWORD": "smtp_password",
    "SMTP_STARTTLS": "smtp_starttls", "FROM_EMAIL": "from_email", "ALERTS_FILE": "alerts_file",
    "HEARTBEAT_URL": "heartbeat_url",
    "LLM_PROVIDER": "llm_provider", "LLM_DEADLINE_SECONDS": "llm_deadline_seconds",
    "OLLAMA_MODEL": "ollama_model", "OLLAMA_BASE_URL": "ollama_base_url", "OPENAI_API_KEY": "openai_api_key",
    "OPENAI_MODEL": "openai_model", "OPENAI_BASE_URL": "openai_base_url",
    "AIRFLOW_URL": "airflow_url", "AIRFLOW_API_VERSION": "airflow_api_version", "AIRFLOW_USER": "airflow_user",
    "AIRFLOW_PASSWORD": "airflow_password", "AIRFLOW_TIMEOUT_SECONDS": "airflow_timeout_seconds",
    "SCHEMA_REGISTRY_URL": "schema_registry_url", "SCHEMA_REGISTRY_WAIT_SECONDS": "schema_registry_wait_seconds",
}  # fmt: skip


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Start with none of the variables set, in a folder without .env; returns the folder."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_shows_every_variable() -> None:
    """`.env.example` is what the settings say, to the byte."""
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()
    assert {variable(name) for name in Settings.model_fields} == VARIABLES.keys()
    for name in VARIABLES:
        assert f"\n#{name}=" in env_example()


def test_the_example_as_env_changes_nothing(clean: Path) -> None:
    """With every line of the example switched on the settings are the defaults."""
    before = load_settings()
    lines = env_example().splitlines()
    text = "\n".join(line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines)
    (clean / ".env").write_text(text)
    assert load_settings() == before


def test_defaults(clean: Path) -> None:
    """Without any variable: a local broker, a local Spark, everything below ./data."""
    found = load_settings()
    assert (found.kafka_broker, found.kafka_topic, found.spark_master) == ("localhost:9092", "customers", "local[*]")
    assert (found.sink_mode, found.processing_duration_minutes) == (SinkMode.PARQUET, 60)
    assert (found.home, found.published) == (clean / "data", clean / "data" / "out" / "parquet")
    assert found.checkpoints == clean / "data" / "checkpoints" / "spark"
    assert found.store_url == f"sqlite:///{clean / 'data' / 'mend.db'}"


VALUES: dict[str, tuple[str, Any]] = {
    "MEND_HOME": ("/data", Path("/data")), "MEND_PIPELINES": ("/p", Path("/p")), "KAFKA_BROKER": ("broker:29092",) * 2,
    "KAFKA_TOPIC": ("other",) * 2, "SINK_MODE": ("SNOWFLAKE", SinkMode.SNOWFLAKE), "PARQUET_OUT": ("/o", Path("/o")),
    "SPARK_MASTER": ("spark://spark-master:7077",) * 2, "SPARK_CHECKPOINT_LOCATION": ("/c", Path("/c")),
    "SNOWFLAKE_ACCOUNT": ("xy12345",) * 2, "PROCESSING_DURATION_MINUTES": ("5", 5),
    "LLM_PROVIDER": ("ollama", LlmProvider.OLLAMA), "LLM_DEADLINE_SECONDS": ("5", 5.0), "OLLAMA_MODEL": ("m",) * 2,
    "OLLAMA_BASE_URL": ("http://ollama:11434",) * 2, "OPENAI_API_KEY": ("k", SecretStr("k")),
    "AIRFLOW_URL": ("http://airflow:8080",) * 2, "AIRFLOW_API_VERSION": ("v1", AirflowApiVersion.V1),
    "AIRFLOW_USER": ("ada",) * 2, "AIRFLOW_PASSWORD": ("p", SecretStr("p")), "AIRFLOW_TIMEOUT_SECONDS": ("3", 3.0),
    "OPENAI_MODEL": ("m",) * 2, "OPENAI_BASE_URL": ("http://gateway:8000/v1",) * 2,
    "DATABASE_URL": ("postgresql+psycopg://x/y",) * 2, "FAULT_AT": ("published:3",) * 2,
    "ALERT_SLACK_WEBHOOK_URL": ("https://h/s", SecretStr("https://h/s")), "SLACK_CHANNEL": ("#ops",) * 2,
    "SLACK_BOT_TOKEN": ("xoxb-1", SecretStr("xoxb-1")), "SLACK_API_URL": ("http://proxy/",) * 2,
    "ALERT_EMAIL": ("ops@example.com",) * 2, "SMTP_SERVER": ("mail",) * 2, "SMTP_PORT": ("25", 25),
    "SMTP_USER": ("u",) * 2, "SMTP_PASSWORD": ("hidden", SecretStr("hidden")), "SMTP_STARTTLS": ("false", False),
    "FROM_EMAIL": ("a@b.example",) * 2, "ALERTS_FILE": ("/a.yml", Path("/a.yml")),
    "HEARTBEAT_URL": ("https://hc/1", SecretStr("https://hc/1")),
    "KAFKA_SECURITY_PROTOCOL": ("SASL_SSL", SecurityProtocol.SASL_SSL),
    "KAFKA_SASL_MECHANISM": ("PLAIN", SaslMechanism.PLAIN), "KAFKA_SASL_USERNAME": ("u",) * 2,
    "KAFKA_SASL_PASSWORD": ("hidden", SecretStr("hidden")), "KAFKA_SSL_CA": ("/ca.pem", Path("/ca.pem")),
    "KAFKA_SSL_CERTIFICATE": ("/me.pem", Path("/me.pem")), "KAFKA_SSL_KEY": ("/me.key", Path("/me.key")),
    "KAFKA_SSL_KEY_PASSWORD": ("hidden", SecretStr("hidden")),
    "KAFKA_TIMEOUT_SECONDS": ("5", 5), "SCHEMA_REGISTRY_WAIT_SECONDS": ("5", 5.0),
    "SCHEMA_REGISTRY_URL": ("http://u:p@registry:8081", SecretStr("http://u:p@registry:8081")),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_is_read(clean: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The environment wins over .env, .env wins over the default, an empty value counts as none."""
    text, value = VALUES[name]
    default = getattr(load_settings(), VARIABLES[name])
    assert default != value
    (clean / ".env").write_text(f"{name}={text}\nUNKNOWN=1\n")
    assert getattr(load_settings(), VARIABLES[name]) == value
    (clean / ".env").write_text(f"{name}=\n")
    assert getattr(load_settings(), VARIABLES[name]) == default
    monkeypatch.setenv(name, text)
    assert getattr(load_settings(), VARIABLES[name]) == value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SINK_MODE", "ORACLE", "'PARQUET' or 'SNOWFLAKE'"),
        ("PROCESSING_DURATION_MINUTES", "abc", "valid integer"),
        ("PROCESSING_DURATION_MINUTES", "0", "greater than or equal to 1"),
        ("PROCESSING_DURATION_MINUTES", "1.5", "valid integer"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """One line: the variable, what it holds, what was expected, where to correct it."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name}='{value}'")
    assert expected in message
    assert ".env" in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_an_env_file_that_is_no_text_is_one_line(clean: Path) -> None:
    """A .env in another encoding does not show a stack trace."""
    (clean / ".env").write_bytes(b"KAFKA_BROKER=\xff\xfe\n")
    with pytest.raises(UserError, match=r"^\.env cannot be read"):
        load_settings()


def test_a_password_is_not_shown() -> None:
    """The address of a registry may hold one: settings that are printed do not."""
    found = load_settings(schema_registry_url="http://user:secret@registry:8081")
    assert "secret" not in repr(found)
    assert "secret" not in str(found)


def test_settings_do_not_change(clean: Path) -> None:
    """They are read once and frozen."""
    del clean
    with pytest.raises(ValueError, match="frozen"):
        load_settings().kafka_broker = "x"


@pytest.mark.parametrize(("account", "folder"), [("", "parquet"), ("xy12345", "snowflake")])
def test_a_sink_has_its_own_checkpoint(account: str, folder: str) -> None:
    """Snowflake without an account publishes Parquet, so it goes on where Parquet stood."""
    settings = load_settings(snowflake_account=account, sink_mode="SNOWFLAKE")
    assert Layout(settings).checkpoint("customers") == settings.checkpoints / folder / "customers"


def test_where_the_files_of_a_run_lie(clean: Path) -> None:
    """Everything of a run carries its id; published rows lie below PARQUET_OUT, all else below MEND_HOME."""
    del clean
    layout = Layout(load_settings(parquet_out=Path("/elsewhere")))
    home = layout.settings.home
    assert layout.published("r") == Path("/elsewhere/run=r")
    assert layout.staged("r") == home / "staging" / "run=r"
    assert layout.quarantine("r") == home / "quarantine" / "run=r"
    assert layout.dead_letters("r") == home / "dead_letters" / "run=r"
    assert layout.duplicates("r") == home / "duplicates" / "run=r"
    assert layout.keys("r") == (home / "staging" / "run=r" / "keys", home / "keys" / "run=r")


def test_a_report_is_written_for_its_run_and_as_the_latest(clean: Path) -> None:
    """Users know the latest report by its name; the run keeps its own copy."""
    layout = Layout(load_settings(mend_home=clean))
    layout.write("r-1", "run_report", {"n": 1})
    layout.write("r-2", "run_report", {"n": 2})
    assert b'"n": 2' in (clean / "ops" / "run_report.json").read_bytes()
    assert b'"n": 1' in (clean / "ops" / "runs" / "r-1" / "run_report.json").read_bytes()
    assert "MEND_HOME" not in os.environ
