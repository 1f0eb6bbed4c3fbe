"""The only reader of the environment: every variable, its default and what it means."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import SASL, Certificates, KafkaAccess, Login, SaslMechanism, SecurityProtocol
from mend.runtime.redact import hide

LONG_PATH = 24


class SinkMode(StrEnum):
    """Where published rows go."""

    PARQUET = "PARQUET"
    SNOWFLAKE = "SNOWFLAKE"


SinkClass = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""A sink of the user's own: package.module:Class."""


class LlmProvider(StrEnum):
    """Whose model is asked for a proposal."""

    NONE = "none"
    OLLAMA = "ollama"
    OPENAI = "openai"


class AirflowApiVersion(StrEnum):
    """Which of Airflow's REST APIs answers."""

    V2 = "v2"
    V1 = "v1"


class Settings(BaseSettings):
    """Values come from the environment, then from `.env` in the working folder, then from the defaults."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    mend_home: Path = Field(Path("data"), description="Folder of everything Mend writes (containers: /data)")
    pipelines: Path = Field(
        Path("pipelines"), validation_alias="MEND_PIPELINES", description="Folder of the pipeline files"
    )
    kafka_broker: str = Field("localhost:9092", description="Bootstrap server of Kafka (containers: broker:29092)")
    kafka_timeout_seconds: int = Field(
        20, ge=1, description="A Spark job that hears nothing of Kafka for so long fails, and can be tried again"
    )
    kafka_topic: str = Field("customers", description="Topic the producer writes to")
    kafka_security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as the broker's listener"
    )
    kafka_sasl_mechanism: SaslMechanism = Field(
        SaslMechanism.SCRAM_SHA_512, description="SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN, for SASL_…"
    )
    kafka_sasl_username: str = Field("", description="User at the broker")
    kafka_sasl_password: SecretStr = Field(SecretStr(""), description="His password")
    kafka_ssl_ca: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for the broker (default: the system's)"
    )
    kafka_ssl_certificate: Path | None = Field(None, description="PEM file of our certificate, where the broker asks")
    kafka_ssl_key: Path | None = Field(None, description="PEM file of its key")
    kafka_ssl_key_password: SecretStr = Field(SecretStr(""), description="Password of that key")
    sink_mode: SinkMode | SinkClass = Field(
        SinkMode.PARQUET, description="PARQUET, SNOWFLAKE, or a sink of your own: package.module:Class"
    )
    parquet_out: Path | None = Field(None, description="Folder of published Parquet (default: MEND_HOME/out/parquet)")
    snowflake_account: str = Field(
        "", description="Snowflake account; without one SINK_MODE=SNOWFLAKE publishes Parquet and says so"
    )
    schema_registry_url: SecretStr = Field(
        SecretStr(""),
        description="Schema registry of Avro events, https://user:password@host:port (default: the schema files)",
    )
    schema_registry_wait_seconds: float = Field(
        60.0, gt=0, description="A run waits so long for a schema registry that is away, then its job fails"
    )
    spark_master: str = Field("local[*]", description="Spark master URL")
    spark_checkpoint_location: Path | None = Field(
        None, description="Folder of Spark's checkpoints (default: MEND_HOME/checkpoints/spark)"
    )
    processing_duration_minutes: int = Field(60, ge=1, description="A Spark run that takes longer is stopped")
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the store (default: SQLite in MEND_HOME/mend.db; PostgreSQL: postgresql+psycopg://…)",
    )

    alert_slack_webhook_url: SecretStr = Field(
        SecretStr(""), description="Incoming webhook of the Slack channel that alerts go to"
    )
    slack_bot_token: SecretStr = Field(
        SecretStr(""),
        description="A Slack bot's token, in place of the webhook: an incident is then told in one thread",
    )
    slack_channel: str = Field("#data-pipeline", description="Slack channel of the bot")
    slack_api_url: str = Field("https://slack.com/api/", description="Slack's API, for a proxy of your own")
    alert_email: str = Field("", description="Who gets alerts by e-mail: ops@example.com,me@example.com")
    smtp_server: str = Field("", description="Mail server; without one, or localhost, mail is printed to the console")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port (465: TLS from the start)")
    smtp_user: str = Field("", description="User of the mail server")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password of the mail server")
    smtp_starttls: bool = Field(default=True, description="False only for a mail catcher that has no TLS")
    from_email: str = Field("pipeline@dataeng.local", description="Sender of e-mail")
    alerts_file: Path | None = Field(
        None, description="Rules of alerts: routes, quiet hours, de-duplication (default: agent/alerts.yml)"
    )
    heartbeat_url: SecretStr = Field(
        SecretStr(""), description="Fetched after each good run; a monitor elsewhere calls you when that stops"
    )

    llm_provider: LlmProvider = Field(
        LlmProvider.NONE, description="Model that may propose what is done: ollama, openai, or none"
    )
    llm_deadline_seconds: float = Field(
        10.0, gt=0, le=120, description="The rules decide alone when the model has not answered after so long"
    )
    ollama_model: str = Field("llama3.1", description="Model that Ollama runs; it must be able to call tools")
    ollama_base_url: str = Field(
        "http://localhost:11434", description="Address of Ollama (containers: http://ollama:11434)"
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="API key for LLM_PROVIDER=openai")
    openai_model: str = Field("gpt-4o-mini", description="Chat model for LLM_PROVIDER=openai")
    openai_base_url: str = Field(
        "https://api.openai.com/v1", description="Address of the API, or of a server that speaks like it"
    )

    airflow_url: str = Field(
        "", description="Airflow that is asked to run a DAG again (default: the next `mend run` is the answer)"
    )
    airflow_api_version: AirflowApiVersion = Field(
        AirflowApiVersion.V2, description="v2 with a token (Airflow 3), or v1 with basic auth (Airflow 2)"
    )
    airflow_user: str = Field("airflow", description="User of Airflow's API")
    airflow_password: SecretStr = Field(SecretStr(""), description="Their password (default: airflow)")
    airflow_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="A request to Airflow is given up after so long, and tried three times"
    )

    fault_at: str = Field(
        "", description="Rehearsal of a crash: the point at which a process kills itself (docs/operations.md)"
    )

    @property
    def kafka(self) -> KafkaAccess:
        """How Kafka is reached; half a login or half a certificate is a UserError."""
        protocol = self.kafka_security_protocol
        if protocol in SASL and not self.kafka_sasl_username:
            raise UserError(f"KAFKA_SECURITY_PROTOCOL={protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.")
        if (self.kafka_ssl_certificate is None) != (self.kafka_ssl_key is None):
            raise UserError("KAFKA_SSL_CERTIFICATE and KAFKA_SSL_KEY go together: set both or none.")
        password = self.kafka_sasl_password.get_secret_value()
        login = Login(mechanism=self.kafka_sasl_mechanism, username=self.kafka_sasl_username, password=password)
        files = Certificates(
            ca=self.kafka_ssl_ca,
            certificate=self.kafka_ssl_certificate,
            key=self.kafka_ssl_key,
            key_password=self.kafka_ssl_key_password.get_secret_value(),
        )
        return KafkaAccess(self.kafka_broker, protocol, login if protocol in SASL else None, files)

    @property
    def home(self) -> Path:
        """Absolute MEND_HOME."""
        return self.mend_home.absolute()

    @property
    def published(self) -> Path:
        """Folder that readers read."""
        return (self.parquet_out or self.home / "out" / "parquet").absolute()

    @property
    def effective_sink(self) -> str:
        """Where rows go: to Snowflake only when an account is configured."""
        without_account = self.sink_mode is SinkMode.SNOWFLAKE and not self.snowflake_account
        return SinkMode.PARQUET if without_account else self.sink_mode

    @property
    def checkpoints(self) -> Path:
        """Folder of Spark's checkpoints."""
        return (self.spark_checkpoint_location or self.home / "checkpoints" / "spark").absolute()

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store."""
        return self.database_url or f"sqlite:///{self.default_store}"

    @property
    def default_store(self) -> Path:
        """The file of the store where no DATABASE_URL is set."""
        return self.home / "mend.db"

    @property
    def secrets(self) -> set[str]:
        """Everything that must not be shown: the secret settings, and the parts of them that tell the secret."""
        values = [one.get_secret_value() for one in vars(self).values() if isinstance(one, SecretStr)]
        return {part for value in values for part in (value, *parts_of_url(value))} | set(
            parts_of_url(self.database_url)
        )

    @property
    def store_exists(self) -> bool:
        """Whether there may be a store: only the default file's absence can be seen without opening it."""
        return bool(self.database_url) or self.default_store.exists()


def parts_of_url(text: str) -> tuple[str, ...]:
    """Return the password of a URL, as it is and decoded, and a path that only who knows it can use."""
    try:
        url = urlsplit(text)
    except ValueError:
        return ()
    password = url.password or ""
    path = url.path if url.scheme in {"http", "https"} and len(url.path) > LONG_PATH else ""
    return tuple(part for part in (password, unquote(password), path) if part)


def variable(name: str) -> str:
    """Return the environment variable of a settings field."""
    return str(Settings.model_fields[name].validation_alias or name.upper())


def load_settings(**overrides: Any) -> Settings:
    """Read the environment once; a value that is not allowed is one clear line that names its variable.

    From then on the secrets are masked in all that this process shows.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        shown = "(secret)" if is_secret(name) else repr(first["input"])
        raise UserError(
            f"{name}={shown} is not usable: {first['msg']}. Correct it in the environment or in .env."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f".env cannot be read ({error}). Correct or remove it.") from error
    hide(settings.secrets)
    return settings


def is_secret(name: str) -> bool:
    """Whether a variable holds a secret."""
    field = Settings.model_fields.get(name.lower())
    return name == "DATABASE_URL" or (field is not None and field.annotation is SecretStr)


def env_example() -> str:
    """Return the text of `.env.example`: every variable with its meaning and default."""
    lines = ["# Copy to .env and change what you need. Every line shows the default.", ""]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(getattr(field.default, "value", field.default))
        lines += [f"# {field.description}", f"#{variable(name)}={default}", ""]
    return "\n".join(lines)
