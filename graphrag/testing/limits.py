"""Refuse what is too long, in the words of the servers that people run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graphrag.testing.calls import error_response
from graphrag.testing.http import Response, json_response

Dialect = Literal["openai", "llama.cpp", "ollama", "tei", "vllm"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes at most, in tokens; None is no limit."""

    dialect: Dialect = "openai"
    context: int | None = None
    text: int | None = None

    @property
    def listed_window(self) -> dict[str, object]:
        """What the list of models says of the context, as these servers do."""
        if self.context is None:
            return {}
        match self.dialect:
            case "vllm":
                return {"max_model_len": self.context}
            case "llama.cpp":
                return {"meta": {"n_ctx": self.context, "n_ctx_train": 131072}}
            case _:
                return {}

    def refuse_prompt(self, given: int) -> Response | None:
        if self.context is None or given <= self.context:
            return None
        return too_long(self.dialect, given=given, limit=self.context, text=False)

    def refuse_texts(self, given: int) -> Response | None:
        """`given` is of the longest of them."""
        if self.text is None or given <= self.text:
            return None
        return too_long(self.dialect, given=given, limit=self.text, text=True)


def too_long(dialect: Dialect, *, given: int, limit: int, text: bool) -> Response:
    """The refusal of `given` tokens; `text`: of one text to embed, else of a prompt."""
    match dialect:
        case "openai" if text:
            message = f"Invalid 'input[0]': maximum input length is {limit} tokens."
            return error_response(400, message)
        case "openai":
            message = (
                f"This model's maximum context length is {limit} tokens. "
                f"However, your messages resulted in {given} tokens."
            )
            return error_response(400, message, code="context_length_exceeded", param="messages")
        case "llama.cpp" if text:
            message = (
                f"input ({given} tokens) is too large to process. "
                f"increase the physical batch size (current batch size: {limit})"
            )
            return error_response(500, message)
        case "llama.cpp":
            message = (
                f"request ({given} tokens) exceeds the available context size ({limit} tokens)"
            )
            error = {"code": 400, "message": message, "type": "exceed_context_size_error"}
            return json_response(
                {"error": {**error, "n_prompt_tokens": given, "n_ctx": limit}}, status=400
            )
        case "ollama":
            return error_response(400, "the input length exceeds the context length")
        case "tei":
            words = f"`inputs` must have less than {limit} tokens. Given: {given}"
            body = {"error": f"Input validation error: {words}", "error_type": "Validation"}
            return json_response(body, status=413)
        case "vllm":
            message = (
                f"This model's maximum context length is {limit} tokens. However, you requested "
                f"{given} tokens. Please reduce the length of the input."
            )
            return json_response({"object": "error", "message": message, "code": 400}, status=400)
