"""The writer's lease, as both stores keep it: who writes, and when another may take over."""

from __future__ import annotations

import os
import socket
import sys
import time
import uuid
from dataclasses import dataclass

from graphrag.core.errors import LockedError
from graphrag.core.logs import get_log

log = get_log(__name__)

LEASE_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """`token` tells two writers of one process apart; `expires` is in seconds since 1970."""

    token: str
    host: str
    pid: int
    expires: float


def new_lease() -> Lease:
    """A lease for this process, from now on."""
    return Lease(uuid.uuid4().hex, socket.gethostname(), os.getpid(), expiry())


def expiry() -> float:
    return time.time() + LEASE_SECONDS


def check_free(held: Lease, where: str) -> None:
    """Raises LockedError unless the holder of `held` is gone."""
    remaining = held.expires - time.time()
    if remaining <= 0 or _is_dead(held):
        log.warning("took over %s from process %d on %r", where, held.pid, held.host)
        return
    raise LockedError(
        f"{where} is being written by process {held.pid} on {held.host!r}",
        hint=f"Wait until it is done. If it is gone, its lease ends in {remaining:.0f} s.",
    )


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
