"""What servers say when something is too long."""

from __future__ import annotations

import pytest

from graphrag.core.errors import ContextTooLongError
from graphrag.models.http_errors import status_error

MESSAGES = {
    "OpenAI": (400, {"message": "Invalid 'input[3]': maximum input length is 8192 tokens."}, 8192),
    "vLLM": (
        400,
        {
            "message": "This model's maximum context length is 512 tokens. However, you requested "
            "600 tokens in the input. Please reduce the length of the input."
        },
        512,
    ),
    "TEI": (413, {"error": "`inputs` must have less than 512 tokens. Given: 1300"}, 512),
    "llama.cpp": (
        500,
        {
            "error": {
                "message": "input (1300 tokens) is too large to process. increase the physical "
                "batch size (current batch size: 512)"
            }
        },
        512,
    ),
    "llama.cpp, a prompt": (
        400,
        {"message": "request (5000 tokens) exceeds the available context size (4096 tokens)"},
        4096,
    ),
    "Ollama": (400, {"error": "the input length exceeds the context length"}, None),
}


@pytest.mark.parametrize("server", MESSAGES)
def test_a_limit_is_read_from_the_words_of_servers(server: str) -> None:
    status, body, limit = MESSAGES[server]
    error = status_error(status, body, url="http://host/v1", model="m", key="")
    assert isinstance(error, ContextTooLongError)
    assert error.limit == limit
    assert not error.transient
