"""Gather the commands under `graphrag`."""

from __future__ import annotations

import click

from graphrag.cli.commands.chat import chat
from graphrag.cli.commands.entities import entities
from graphrag.cli.commands.evaluate import evaluate
from graphrag.cli.commands.index import index
from graphrag.cli.commands.manage import copy, delete, doctor, export, import_, init, status
from graphrag.cli.commands.neo4j import neo4j
from graphrag.cli.commands.prompts import prompts, tune
from graphrag.cli.commands.query import query
from graphrag.cli.commands.schema import schema
from graphrag.cli.commands.serve import mcp, serve, skill
from graphrag.cli.options import log_options


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="graphrag-neo4j", prog_name="graphrag")
@log_options
def main() -> None:
    """Turn documents into a knowledge graph and ask it questions, with cited answers.

    Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 done in part; 4 a metric fell
    (eval compare).
    """


for command in (
    *(init, index, query, chat, status, entities, schema, tune, prompts, evaluate),
    *(export, import_, delete, copy, doctor, neo4j, serve, mcp, skill),
):
    main.add_command(command)
