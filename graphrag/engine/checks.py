"""Hold what a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphrag.core.errors import GraphRAGError


@dataclass(frozen=True, slots=True)
class Check:
    """`hint` says what to do where `state` is not "ok", or what else could be done."""

    name: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    hint: str = ""


def failed(name: str, error: GraphRAGError) -> Check:
    return Check(name, "failed", str(error), error.hint)
