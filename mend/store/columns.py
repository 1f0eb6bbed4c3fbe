"""Column types: times that are always aware and in UTC, contracts as JSON, text that any database takes."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Enum, Text
from sqlalchemy.types import TypeDecorator

from mend.contracts import codec


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time. A naive one is refused: nobody could say later what it meant."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs a zone, came {value.isoformat()}")
        in_utc = value.astimezone(UTC)
        # SQLite keeps no zone: what lies in the file is UTC.
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Document(TypeDecorator[Any]):
    """A value of one contract, stored as its JSON document and checked again when it is read."""

    impl = JSON
    cache_ok = True

    def __init__(self, kind: type[Any]) -> None:
        super().__init__(none_as_null=True)
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Encode with the codec."""
        return None if value is None else codec.to_dict(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002
        """Decode with the codec."""
        return None if value is None else codec.parse(self.kind, value)


class FreeText(TypeDecorator[str]):
    """Text from anywhere (an error, a note): what a database cannot store is shown as U+FFFD, never a failure."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Replace NUL and lone surrogates."""
        if value is None:
            return None
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def choice(kind: type[StrEnum]) -> Enum:
    """Return the type of a column that holds one of the words of an enumeration."""
    return Enum(kind, native_enum=False, create_constraint=False, length=16, values_callable=list)
