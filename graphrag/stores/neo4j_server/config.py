"""Write the options of Java and the settings file with which a Neo4j of our own runs."""

from __future__ import annotations

from collections.abc import Mapping

HEAP_MB = 512  # enough for 100,000 entities with vectors

# The collector without background threads: a new server writes its first graph in two thirds of
# the time. Only what runs five times as often as usual is compiled a second time, with all that
# the compiler can do: a new server spends half its time on that.
_JVM = (
    *("-XX:+UseParallelGC", "-XX:+ExitOnOutOfMemoryError"),
    *("-XX:Tier4InvocationThreshold=25000", "-XX:Tier4MinInvocationThreshold=3000"),
    *("-XX:Tier4CompileThreshold=75000", "-XX:Tier4BackEdgeThreshold=200000"),
)
_OPENED = (
    "java.base/java.nio",
    "java.base/java.io",
    "java.base/sun.nio.ch",
    "java.base/java.util.concurrent",
)
_JAVA = (
    *_JVM,
    *(f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED),
    "-Dfile.encoding=UTF-8",
)


def java_options(heap_mb: int) -> list[str]:
    """The whole heap at once, like the collector for a new server's sake."""
    return [f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m", *_JAVA]


def settings_file(
    bolt_port: int, http_port: int, *, heap_mb: int, options: Mapping[str, str]
) -> str:
    """The text of `neo4j.conf`; `options` win."""
    values = {
        "server.default_listen_address": "127.0.0.1",
        "server.bolt.listen_address": f"127.0.0.1:{bolt_port}",
        "server.bolt.advertised_address": f"localhost:{bolt_port}",
        "server.http.listen_address": f"127.0.0.1:{http_port}",
        "server.http.advertised_address": f"localhost:{http_port}",
        "server.https.enabled": "false",
        "server.memory.pagecache.size": f"{heap_mb // 2}m",
        "dbms.security.auth_enabled": "true",
        "dbms.usage_report.enabled": "false",
        "client.allow_telemetry": "false",
        "db.tx_log.rotation.retention_policy": "keep_none",
        # MB that an index takes in before it begins a new part. A search looks into each part,
        # and for vectors that is most of its work.
        "internal.dbms.index.lucene.standard_ram_buffer_size": "64.0",
        # Seconds without a message that end a server which was told to stop; it waits for them
        # twice.
        "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
        **options,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())
