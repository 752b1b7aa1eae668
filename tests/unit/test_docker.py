"""The files for Docker: the server that the engine is tested with, closed to other machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import click
import pytest
import yaml

from graphrag.cli.main import main
from graphrag.stores.neo4j_server.server import DEFAULT_VERSION

Section = dict[str, object]

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docker"


@pytest.fixture
def compose() -> Section:
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    return cast(Section, yaml.safe_load(text))


@pytest.fixture
def services(compose: Section) -> dict[str, Section]:
    return cast("dict[str, Section]", compose["services"])


def instructions(name: str) -> list[str]:
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def test_server_is_of_the_version_that_is_tested(services: dict[str, Section]) -> None:
    minor = DEFAULT_VERSION.rpartition(".")[0]
    assert services["neo4j"]["image"] == f"neo4j:{minor}-community"


def test_ports_are_open_to_this_machine_only(services: dict[str, Section]) -> None:
    ports = cast("list[str]", services["neo4j"]["ports"])
    assert {port.rpartition(":")[2] for port in ports} == {"7474", "7687"}
    for service in services.values():
        for port in cast("list[str]", service.get("ports", [])):
            assert port.startswith("127.0.0.1:"), port


def test_the_engine_waits_for_a_healthy_server(services: dict[str, Section]) -> None:
    health = cast(Section, services["neo4j"]["healthcheck"])
    # cypher-shell is in the image; it reads user and password where no process list shows them.
    # Compose takes `$$` for `$`, and NEO4J_AUTH is "neo4j/" and the password.
    assert health["test"] == (
        "NEO4J_USERNAME=neo4j NEO4J_PASSWORD=\"$${NEO4J_AUTH#*/}\" cypher-shell 'RETURN 1'"
    )
    assert services["graphrag"]["depends_on"] == {"neo4j": {"condition": "service_healthy"}}


def test_data_outlives_the_containers(compose: Section, services: dict[str, Section]) -> None:
    volumes = cast(Section, compose["volumes"])
    for service, path in (("neo4j", "/data"), ("graphrag", "/kb")):
        mounted = dict(
            volume.split(":")[:2][::-1]
            for volume in cast("list[str]", services[service]["volumes"])
            if "$" not in volume
        )
        assert mounted[path] in volumes


def test_no_password_is_written_down(services: dict[str, Section]) -> None:
    # `:?` makes compose stop and say so when the variable is not set.
    required = r"\$\{NEO4J_PASSWORD:\?[^}]+\}"
    server = cast("dict[str, str]", services["neo4j"]["environment"])
    engine = cast("dict[str, str]", services["graphrag"]["environment"])
    assert re.fullmatch(f"neo4j/{required}", server["NEO4J_AUTH"])
    assert re.fullmatch(required, engine["NEO4J_PASSWORD"])


def test_image_has_what_it_copies_and_does_not_run_as_root(services: dict[str, Section]) -> None:
    build = cast("dict[str, str]", services["graphrag"]["build"])
    assert (FOLDER / build["context"]).resolve() == REPOSITORY
    assert (REPOSITORY / build["dockerfile"]).is_file()
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for words in instructions("COPY"):
        for source in words.split()[:-1]:
            assert (REPOSITORY / source).exists(), source
            assert f"!{source}" in ignored
    assert instructions("USER") == ["graphrag"]
    assert instructions("ENTRYPOINT") == ['["graphrag"]']


def test_the_server_is_shut_in(services: dict[str, Section]) -> None:
    server = services["server"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["security_opt"] == ["no-new-privileges:true"]
    assert server["ports"] == ["127.0.0.1:8321:8321"]
    assert "privileged" not in server
    health = cast("dict[str, list[str]]", server["healthcheck"])
    assert health["test"][-1].endswith("8321/health')")
    (install,) = (line for line in instructions("RUN") if "pip" in line)
    assert "[server]" in install


def test_the_server_starts_with_options_that_there_are(services: dict[str, Section]) -> None:
    name, *words = cast("list[str]", services["server"]["command"])
    above = click.Context(main, **main.context_settings)  # click keeps what it makes of --help
    with main.commands[name].make_context(name, words, parent=above) as context:
        assert context.params["port"] == 8321
        assert not context.params["no_token"]
