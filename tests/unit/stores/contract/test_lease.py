"""Who may write: what a lease says of its holder."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from graphrag.core.errors import LockedError, StoreError
from graphrag.stores.contract.lease import Lease, LeaseKeeper


def test_a_lease_that_could_not_be_ended_does_not_lock_its_own_process_out() -> None:
    taken: list[Lease] = []

    async def take(lease: Lease) -> None:
        if taken:
            keeper.check_free(taken[-1])
        taken.append(lease)

    async def renew() -> None:
        pass

    async def release(lease: Lease) -> None:
        raise StoreError("disk I/O error")

    keeper = LeaseKeeper("graph.db", "main", take=take, renew=renew, release=release)

    async def main() -> None:
        async with keeper.hold():
            with pytest.raises(LockedError):
                keeper.check_free(taken[-1])
        async with keeper.hold():
            pass
        with pytest.raises(LockedError):  # another writer of this process
            keeper.check_free(dataclasses.replace(taken[-1], token="other"))

    asyncio.run(main())
    assert len(taken) == 2
