"""Keep the writer's lease of a namespace: who writes, and when another may take over."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from graphrag.core.errors import LockedError, StoreError
from graphrag.core.logs import get_log

log = get_log(__name__)

LEASE_S = 30.0
HEARTBEAT_S = 5.0
_unended: set[str] = set()  # tokens of leases that this process holds no more, and could not end


@dataclass(frozen=True, slots=True)
class Lease:
    """`token` tells two writers of one process apart; `expires` is in seconds since 1970."""

    token: str
    host: str
    pid: int
    expires: float


class LeaseKeeper:
    """Takes a lease, renews it while it is held and releases it, by three statements of a store.

    Each proves in its own transaction that it may: `take` by `check_free`, `renew`, which writes
    what `renewed` gives, by raising `taken_over` where the token is no longer there.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        take: Callable[[Lease], Awaitable[None]],
        renew: Callable[[], Awaitable[None]],
        release: Callable[[Lease], Awaitable[None]],
    ) -> None:
        self._url, self._namespace = url, namespace
        self._take, self._renew, self._release = take, renew, release
        self._seconds = LEASE_S
        self.held: Lease | None = None

    @asynccontextmanager
    async def hold(
        self, *, lease_s: float = LEASE_S, heartbeat_s: float = HEARTBEAT_S
    ) -> AsyncGenerator[None]:
        """Hold the lease. Raises LockedError when another holds it."""
        self._seconds = lease_s
        lease = Lease(uuid.uuid4().hex, socket.gethostname(), os.getpid(), time.time() + lease_s)
        await self._take(lease)
        self.held = lease
        heartbeat = asyncio.create_task(self._beat(heartbeat_s))
        try:
            yield
        finally:
            heartbeat.cancel()
            await asyncio.wait([heartbeat])
            self.held = None
            try:
                await self._release(lease)
            except StoreError as error:
                _unended.add(lease.token)
                log.warning("the lease of %s was not ended, it will expire: %s", self._url, error)

    def renewed(self) -> Lease | None:
        """The lease held, as it is to be from now on."""
        return self.held and replace(self.held, expires=time.time() + self._seconds)

    def check_free(self, held: Lease) -> None:
        """Raises LockedError unless the holder of `held` is gone."""
        where = f"{self._url} (namespace {self._namespace!r})"
        remaining = held.expires - time.time()
        if remaining > 0 and held.token not in _unended and not _is_dead(held):
            raise LockedError(
                f"{where} is being written by process {held.pid} on {held.host!r}",
                hint=f"Wait until it is done. If it is gone, its lease ends in {remaining:.0f} s.",
            )
        log.warning("took over %s from process %d on %r", where, held.pid, held.host)

    def taken_over(self, holder: Lease | None) -> LockedError:
        """What to raise when `holder`, or one that is done, took over from a writer that slept."""
        name = f"process {holder.pid} on {holder.host!r}" if holder else "another process"
        return LockedError(
            f"{name} has taken over {self._url}",
            hint="This run stood still for too long. Run the command again.",
        )

    async def _beat(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._renew()
            except StoreError as error:
                # The commit checks the lease itself.
                log.warning("the lease of %s was not renewed: %s", self._url, error)


def _is_dead(held: Lease) -> bool:
    # On Windows os.kill would end the process that it asks about.
    if held.host != socket.gethostname() or sys.platform == "win32":
        return False
    try:
        os.kill(held.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
