"""Run transactions that the driver retries, and turn its errors into ours.

Only this module imports the driver.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import LiteralString, Protocol, TypeVar, cast

import neo4j
from neo4j import exceptions

from graphrag.core.errors import StoreError
from graphrag.stores.neo4j.address import Target
from graphrag.stores.neo4j.rows import Values

Result = TypeVar("Result")
Transaction = neo4j.AsyncManagedTransaction
Work = Callable[[Transaction], Awaitable[Result]]

_CONNECT_SECONDS = 5.0  # to reach it
_ACQUIRE_SECONDS = 20.0  # to log in, too
_NO_RETRY = -1.0
_DRIVER = "driver"  # by name: its annotation leaves the options' types unknown
_RECORDS = 5000  # fetched at a time
_NO_SERVER = (
    "Check the address, or start a server: graphrag neo4j start. Finished work is kept: run the"
    " command again."
)
# The driver does not always say that it was TLS that failed.
_NO_TLS = (
    "Check the address, and whether the server has TLS: without it write neo4j:// or bolt://, with"
    " a certificate that it made itself neo4j+ssc:// or bolt+ssc://. Finished work is kept: run"
    " the command again."
)
_CREDENTIALS = "Set NEO4J_USERNAME and NEO4J_PASSWORD, or `neo4j:` in graphrag.yaml."


class _Driver(Protocol):
    """The part of the driver whose own annotations leave its options unknown."""

    def session(
        self, *, database: str | None, default_access_mode: str, max_transaction_retry_time: float
    ) -> neo4j.AsyncSession: ...

    async def get_server_info(self) -> neo4j.ServerInfo: ...

    async def close(self) -> None: ...


class _Connect(Protocol):
    def __call__(
        self, uri: str, *, auth: tuple[str, str] | None, **options: str | float | bool
    ) -> _Driver: ...


class Connection:
    """One database of one server. Each call is a transaction, tried again as the driver advises.

    When all tries failed for lack of a server, the calls after that are tried once, until one
    succeeds: a command whose server is gone says so soon.
    """

    def __init__(self, target: Target, *, retry_s: float = 12.0) -> None:
        """The driver waits 1, 2, 4, 8 s between its tries, so 12 s give up on a server after 15."""
        self.url = target.url
        self._retry_s = retry_s
        self._database = target.database
        self._is_lost = False
        self._version: str | None = None
        connect = cast(_Connect, getattr(neo4j.AsyncGraphDatabase, _DRIVER))
        with _translated(self.url):
            self._driver = connect(
                target.url,
                auth=target.auth,
                connection_timeout=_CONNECT_SECONDS,
                connection_acquisition_timeout=_ACQUIRE_SECONDS,
                notifications_min_severity="OFF",
                telemetry_disabled=True,
                fetch_size=_RECORDS,
                user_agent=f"graphrag-neo4j/{version('graphrag-neo4j')}",
            )

    async def server_version(self) -> str:
        """Raises StoreError at once, without further tries, when no server answers."""
        if self._version is None:
            with _translated(self.url):
                info = await self._driver.get_server_info()
            self._version = info.agent.partition("/")[2]  # "Neo4j/5.26.30"
        return self._version

    async def close(self) -> None:
        await self._driver.close()

    async def read(self, work: Work[Result]) -> Result:
        async with self._session(neo4j.READ_ACCESS) as session:
            return await session.execute_read(work)

    async def write(self, work: Work[Result]) -> Result:
        async with self._session(neo4j.WRITE_ACCESS) as session:
            return await session.execute_write(work)

    async def query(self, statement: LiteralString, **parameters: object) -> Values:
        """The records of one statement that reads."""
        async with self._session(neo4j.READ_ACCESS) as session:
            try:
                # Half the messages of a transaction of its own, which is for a second try.
                return await (await session.run(statement, parameters)).values()
            except (exceptions.Neo4jError, exceptions.DriverError) as error:
                if self._is_lost or not error.is_retryable():
                    raise
        return await self.read(lambda tx: run(tx, statement, **parameters))

    async def execute(self, statement: LiteralString, **parameters: object) -> Values:
        """The records of one statement that writes."""
        return await self.write(lambda tx: run(tx, statement, **parameters))

    @asynccontextmanager
    async def _session(self, mode: str) -> AsyncGenerator[neo4j.AsyncSession]:
        try:
            with _translated(self.url):
                async with self._driver.session(
                    database=self._database,
                    default_access_mode=mode,
                    max_transaction_retry_time=_NO_RETRY if self._is_lost else self._retry_s,
                ) as session:
                    yield session
        except UnreachableStoreError:
            self._is_lost = True
            raise
        self._is_lost = False


class UnreachableStoreError(StoreError):
    """No server answers, or it went away and did not come back."""


async def run(tx: Transaction, statement: LiteralString, **parameters: object) -> Values:
    """The records of one statement, as lists of values."""
    result = await tx.run(statement, parameters)
    return await result.values()


async def write_rows(
    tx: Transaction, statement: LiteralString, rows: list[dict[str, object]]
) -> None:
    """Run a statement that writes rows and returns nothing."""
    result = await tx.run(statement, {"given": {"rows": _Rows(rows)}})
    await result.consume()


class _Rows(list[dict[str, object]]):
    """Rows to send. The driver spells out all parameters for its log, even where none is kept,
    which takes longer than to send them.
    """

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


@contextmanager
def _translated(url: str) -> Generator[None]:
    """Turn the driver's errors into StoreError, naming the server and what to do."""
    try:
        yield
    except (exceptions.Neo4jError, exceptions.DriverError) as error:
        raise _translate(url, error) from error


def _translate(url: str, error: exceptions.Neo4jError | exceptions.DriverError) -> StoreError:
    if isinstance(error, exceptions.AuthError):
        return StoreError(f"{url} refused the user name or password", hint=_CREDENTIALS)
    if isinstance(error, exceptions.ServiceUnavailable | exceptions.SessionExpired):
        return UnreachableStoreError(
            f"no Neo4j answers at {url}: {error}",
            quoted=str(error),
            hint=_NO_TLS if "+s" in url.partition("://")[0] else _NO_SERVER,
        )
    if not isinstance(error, exceptions.Neo4jError):
        hint = "Check the store's URL and its settings."
        return StoreError(f"{url}: {error}", hint=hint, quoted=str(error))
    said = error.message or ""
    return StoreError(f"{url}: {said}", hint=_hint(error), quoted=said)


def _hint(error: exceptions.Neo4jError) -> str:
    code = error.code or ""
    if "no such" in (error.message or "") and "index" in (error.message or ""):
        return "Run `graphrag index` again: it makes the indexes that are missing."
    if "DatabaseNotFound" in code:
        return "Set NEO4J_DATABASE or neo4j.database to one it has."
    if "ReadOnly" in code or code.endswith(("Forbidden", "AccessMode")):
        return "Use a user and a database that may be written."
    if isinstance(error, exceptions.ConstraintError):
        return "A constraint of other data in this database forbids it: use another."
    if "OutOfMemory" in code:
        return "Give the server more memory: graphrag neo4j start --heap MB, or its own settings."
    return "See the server's log."
