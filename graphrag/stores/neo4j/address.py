"""Find address, credentials and database in a store's URL, the settings and the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from graphrag.core.errors import StoreError, UsageError
from graphrag.core.settings import Neo4jSettings
from graphrag.stores.neo4j_server.server import local_credentials, status

_DEFAULT_USER = "neo4j"


@dataclass(frozen=True, slots=True)
class Target:
    """`url` has no credentials in it; `auth` is user and password, None without a password."""

    url: str
    auth: tuple[str, str] | None = field(repr=False)
    database: str | None  # None: the user's home database


def find_target(url: str, root: Path, settings: Neo4jSettings) -> Target:
    """Where to connect and as whom.

    Credentials come from the URL, the server started under `root` if it is that one, `settings`,
    NEO4J_USERNAME and NEO4J_PASSWORD, in this order. Raises StoreError when the server of "local"
    does not run, UsageError when `url` is no address.
    """
    if url == "local":
        url = _local_url(root)
    address, user, password = _split(url)
    local = local_credentials(root, address)
    if password is None and local is not None:
        user, password = local
    if password is None:
        secret = settings.password
        password = secret.get_secret_value() if secret else os.environ.get("NEO4J_PASSWORD")
        user = user or settings.username or os.environ.get("NEO4J_USERNAME")
    return Target(
        url=address,
        auth=(user or _DEFAULT_USER, password) if password else None,
        database=settings.database or os.environ.get("NEO4J_DATABASE") or None,
    )


def _local_url(root: Path) -> str:
    server = status(root)
    if not server.running or server.url is None:
        raise StoreError(
            f"no Neo4j runs under {str(root)!r}",
            hint="Start it: graphrag neo4j start, with the same --root.",
        )
    return server.url


def _split(url: str) -> tuple[str, str | None, str | None]:
    """The address, user and password of `url`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if not host or parts.path.strip("/"):
        # Not the URL itself: it may hold a password.
        raise UsageError(
            "the store's URL is not the address of a Neo4j server",
            hint="Write neo4j://host:7687 or bolt://host:7687; the database is a setting.",
        )
    place = f"[{host}]" if ":" in host else host
    place = place if port is None else f"{place}:{port}"
    address = urlunsplit((parts.scheme, place, "", parts.query, ""))
    user = unquote(parts.username) if parts.username else None
    return address, user, unquote(parts.password) if parts.password else None
