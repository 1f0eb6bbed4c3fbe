"""A schema registry over HTTP, as Confluent's API defines it: schemas by id, and all that they refer to.

Three answers are told apart: a schema, "there is no such id", and everything else. Everything else (no connection, a
time-out, an error of the server, a redirect, text that is no schema, an answer without end) says nothing about the id:
it is asked for again for a while, and then it is the registry that failed, never the record.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, unquote, urlsplit

import orjson
from pydantic import TypeAdapter, ValidationError

from mend.contracts.codec import STRICT, ContractError, dumps, loads
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic
from mend.runtime.logging import get_logger
from mend.runtime.retries import retrying
from mend.runtime.settings import Settings

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

T = TypeVar("T")
JSON_TYPE = "application/vnd.schemaregistry.v1+json"
NO_SUBJECT, NO_SCHEMA = 40401, 40403
CONNECT_SECONDS = 3.0
LARGEST_ANSWER = 4 * 2**20
MOST_TRIES = 1_000
"""The time decides when to give up, not the number."""
MOST_REFERENCES = 100
OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
VARIABLE = "SCHEMA_REGISTRY_URL"


class RegistryAwayError(Exception):
    """The registry gives no answer to go by; it may at the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryAddress:
    """Where a registry is (`url` may hold user:password), in which folder its schemas are kept.

    One that is away is waited for `wait_seconds`; one that does not answer within `answer_seconds` is away.
    """

    url: str = field(repr=False)
    folder: Path
    wait_seconds: float = 60.0
    answer_seconds: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what is no address of one registry, without repeating what may hold a password."""
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "," not in self.url
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            raise UserError(
                f"{VARIABLE} is no address of a schema registry. Expected https://host:port, with user:password@ "
                "before the host if it asks for them."
            )

    @property
    def shown(self) -> str:
        """The address without credentials."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")

    @property
    def credentials(self) -> str | None:
        """`user:password` if the address has them."""
        parts = urlsplit(self.url)
        return None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"


def registry_address(settings: Settings) -> RegistryAddress | None:
    """Return the registry of the settings, None if the schema files are it."""
    url = settings.schema_registry_url.get_secret_value()
    if not url:
        return None
    return RegistryAddress(
        url=url, folder=settings.home / "cache" / "schemas", wait_seconds=settings.schema_registry_wait_seconds
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSchema:
    """A schema as text; `documents` has what it refers to before it. `type` is AVRO, JSON or PROTOBUF."""

    __pydantic_config__ = STRICT
    type: str
    documents: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """A schema that another one refers to."""

    subject: str
    version: int


@dataclass(frozen=True)
class Found:
    """What a registry says of a schema; registries add fields of their own."""

    schema: str
    schemaType: str = "AVRO"  # noqa: N815 - the registry's name
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True)
class Registered:
    """What a registry says of a schema that was sent to it."""

    id: int


@dataclass(frozen=True)
class Refused:
    """Why a registry says no."""

    error_code: int
    message: str = ""


class SchemaRegistry:
    """Asks for each id once; what it learnt is kept in memory, and on disk for when the registry is away."""

    def __init__(self, address: RegistryAddress) -> None:
        """Connect to nothing yet."""
        from urllib3 import PoolManager, Timeout, make_headers

        self.address = address
        self.known: dict[int, RegisteredSchema] = {}
        self.log = get_logger().bind(registry=address.shown)
        credentials = address.credentials
        self.headers = {"Accept": f"{JSON_TYPE}, application/json", "Content-Type": JSON_TYPE} | (
            dict(make_headers(basic_auth=credentials)) if credentials else {}
        )
        self.pool = PoolManager(
            retries=False, timeout=Timeout(connect=CONNECT_SECONDS, read=address.answer_seconds), maxsize=1
        )

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an id, None if the registry does not have it.

        A registry that is away is waited for, unless the schema is kept on disk; then RegistryAwayError.
        """
        if schema_id not in self.known:
            found = self._look_up(schema_id)
            if found is None:
                return None
            self.known[schema_id] = found
        return self.known[schema_id]

    def register(self, subject: str, schema: str) -> int:
        """Give a schema to the registry and return its id; the same schema again has the same id. Waits as above."""
        body = orjson.dumps({"schema": schema})
        place = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._patiently(lambda: self._ask("POST", place, Registered, body))
        if answer is None:
            raise UserError(f"{self.address.shown} has no {place}. Is it a schema registry? Correct {VARIABLE}.")
        return answer.id

    def _look_up(self, schema_id: int) -> RegisteredSchema | None:
        try:
            found = self._fetch(schema_id)
        except RegistryAwayError as error:
            kept = self._kept(schema_id)
            if kept is not None:
                self.log.warning("kept_schema_used", schema_id=schema_id, because=str(error))
                return kept
            found = self._patiently(lambda: self._fetch(schema_id))
        if found is not None:
            self._keep(schema_id, found)
        return found

    def _patiently(self, ask: Callable[[], T]) -> T:
        return retrying(RegistryAwayError, attempts=MOST_TRIES, timeout=self.address.wait_seconds)(ask)()

    def _fetch(self, schema_id: int) -> RegisteredSchema | None:
        found = self._ask("GET", f"/schemas/ids/{schema_id}", Found)
        if found is None:
            return None
        return RegisteredSchema(type=found.schemaType, documents=(*self._referred(found, set()), found.schema))

    def _referred(self, found: Found, seen: set[Reference]) -> Iterator[str]:
        """Yield what a schema refers to, each once, and before it what that refers to."""
        for one in found.references:
            if one in seen or len(seen) >= MOST_REFERENCES:
                continue
            seen.add(one)
            place = f"/subjects/{quote(one.subject, safe='')}/versions/{one.version}"
            referred = self._ask("GET", place, Found)
            if referred is None:
                raise self._away(f"lacks version {one.version} of {one.subject!r}, to which a schema refers")
            yield from self._referred(referred, seen)
            yield referred.schema

    def _ask(self, method: str, place: str, expected: type[T], body: bytes | None = None) -> T | None:
        """Return the registry's answer, None if it does not have what was asked for."""
        from urllib3.exceptions import HTTPError

        try:
            response = self.pool.request(
                method, self.address.shown + place, headers=self.headers, body=body, redirect=False,
                preload_content=False,
            )  # fmt: skip
            with response:
                text = read_all(response, self.address.answer_seconds)
        except (HTTPError, OSError) as error:
            raise self._away(f"does not answer ({type(error).__name__})") from error
        if response.status in {UNAUTHORIZED, FORBIDDEN}:
            raise UserError(
                f"the schema registry {self.address.shown} refuses access ({response.status}). Put user:password@ "
                f"before the host in {VARIABLE}, or ask for the right to read schemas."
            )
        if response.status == NOT_FOUND and text is not None and is_missing(text):
            return None
        return self._understood(response.status, text, expected)

    def _understood(self, status: int, text: bytes | None, expected: type[T]) -> T:
        if status != OK:
            refused = parsed(text or b"", Refused)
            raise self._away(f"answers {status}" + (f" ({refused.message[:200]})" if refused else ""))
        if text is None:
            raise self._away(
                f"gives an answer of more than {LARGEST_ANSWER} bytes or {self.address.answer_seconds:g} s"
            )
        answer = parsed(text, expected)
        if answer is None:
            raise self._away("gives an answer that is none of a schema registry")
        return answer

    def _away(self, why: str) -> RegistryAwayError:
        return RegistryAwayError(f"the schema registry {self.address.shown} {why}")

    def _file(self, schema_id: int) -> Path:
        """Say where a schema is kept; another registry has another folder."""
        digest = hashlib.sha256(self.address.shown.encode()).hexdigest()[:16]
        return self.address.folder / digest / f"{schema_id}.json"

    def _keep(self, schema_id: int, found: RegisteredSchema) -> None:
        try:
            write_atomic(self._file(schema_id), dumps(found))
        except OSError as error:
            self.log.warning("schema_not_kept", schema_id=schema_id, because=str(error))

    def _kept(self, schema_id: int) -> RegisteredSchema | None:
        try:
            return loads(RegisteredSchema, self._file(schema_id).read_bytes())
        except (OSError, ContractError):
            return None


def read_all(response: "BaseHTTPResponse", seconds: float) -> bytes | None:
    """Read the body; None if it is too long, or comes so slowly that it would never end."""
    end, parts, size = monotonic() + seconds, [], 0
    while part := response.read1(65_536, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER or monotonic() > end:
            return None
    return b"".join(parts)


def is_missing(text: bytes) -> bool:
    """Whether a 404 is the registry's own: another server's says nothing about a schema."""
    refused = parsed(text, Refused)
    return refused is not None and NO_SUBJECT <= refused.error_code <= NO_SCHEMA


def parsed(text: bytes, expected: type[T]) -> T | None:
    """Read an answer, None if it is not of that form."""
    try:
        return TypeAdapter(expected).validate_json(text)
    except ValidationError:
        return None
