"""A namespace or the type of an entity in; the beginning of its keys, its label out."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

_MAX_LABEL = 60


def key_prefix(namespace: str) -> str:
    """What the keys of `namespace` begin with; no other namespace's prefix begins so."""
    return quote(namespace, safe="") + ":"


def namespace_label(namespace: str) -> str:
    """The label of all nodes of `namespace`: ASCII letters, digits and underscores."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", namespace).strip("_")[:30]
    digest = hashlib.sha256(namespace.encode()).hexdigest()[:12]
    return f"NS_{readable}_{digest}" if readable else f"NS_{digest}"


def type_label(kind: str) -> str:
    """`kind`, which a model wrote, as a label: "legal entity" is "LegalEntity".

    Letters and digits of any script, nothing else, so it needs no quoting and cannot be one of
    the engine's own labels, which have underscores.
    """
    parts = re.findall(r"[^\W_]+", kind)
    label = "".join(part[:1].upper() + part[1:] for part in parts)[:_MAX_LABEL]
    if not label:
        return "Untyped"
    return label if label[0].isalpha() else f"T{label}"
