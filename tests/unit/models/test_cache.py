from __future__ import annotations

from pathlib import Path

from graphrag.models.cache import ResponseCache

VECTOR = b"\0" * 6000


def test_a_cache_that_grows_too_large_keeps_its_newer_vectors(tmp_path: Path) -> None:
    path = tmp_path / "work" / "cache.db"
    cache = ResponseCache(path, max_mb=1)
    cache.put_reply("reply", "text")
    sizes: list[int] = []
    for number in range(500):
        cache.put_vectors({str(number): VECTOR})
        sizes.append(len(cache.vectors([str(one) for one in range(500)])))
    assert 50 < max(sizes) < 200  # about 120 vectors are a million bytes
    assert min(sizes[300:]) > 40
    kept = cache.vectors([str(number) for number in range(500)])
    assert sorted(map(int, kept)) == [*range(500 - len(kept), 500)]
    assert cache.reply("reply") is None
    cache.close()
    assert path.stat().st_size < 1_100_000


def test_replies_can_be_forgotten_and_vectors_stay(tmp_path: Path) -> None:
    path = tmp_path / "work" / "cache.db"
    cache = ResponseCache(path, max_mb=1)
    cache.forget_replies()
    assert not path.exists()
    cache.put_reply("reply", "text")
    cache.put_vectors({"vector": VECTOR})
    assert cache.reply("reply") == "text"
    cache.forget_replies()
    assert cache.reply("reply") is None
    assert cache.vectors(["vector"]) == {"vector": VECTOR}
    cache.close()
