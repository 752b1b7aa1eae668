"""Every error the engine raises, each with a hint and an exit code.

GraphRAGError                 1  the run failed
├── UsageError                2  a wrong argument: path, question, method, filter
│   ├── SettingsError         2  a wrong, unknown or missing setting
│   └── NotFoundError         2  nothing of that name, id or number is there
├── StoreError                1  the store cannot be read or written
│   ├── NoIndexError          1  nothing was indexed here yet
│   ├── IncompatibleIndexError 1 another schema version or embedding size
│   └── LockedError           1  another process is writing to this index
├── InputError                1  a document that cannot be read (listed, never fatal alone)
└── ModelError                1  a model call failed; `transient`: a later try may succeed
    ├── ModelAuthError        1  the key was refused
    ├── ModelUnreachableError 1  no server answers there
    ├── ContextTooLongError   1  the prompt does not fit the model
    ├── RefusedError          1  the model or its content filter refused
    ├── BadReplyError         1  the reply is not what was asked for
    └── CostLimitError        3  the next call could pass `--max-cost`
"""

from __future__ import annotations


class GraphRAGError(Exception):
    """What happened (`str(error)`) and what to do next (`hint`).

    `quoted` is the part of the message in the words of a server, a model or a document.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", quoted: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.quoted = quoted


class UsageError(GraphRAGError):
    exit_code = 2


class SettingsError(UsageError):
    pass


class NotFoundError(UsageError):
    pass


class StoreError(GraphRAGError):
    pass


class NoIndexError(StoreError):
    pass


class IncompatibleIndexError(StoreError):
    pass


class LockedError(StoreError):
    pass


class InputError(GraphRAGError):
    pass


class ModelError(GraphRAGError):
    """A model call failed. `transient` failures are tried again on the next run."""

    transient = False

    def __init__(
        self, message: str, *, hint: str = "", quoted: str = "", transient: bool | None = None
    ) -> None:
        super().__init__(message, hint=hint, quoted=quoted)
        if transient is not None:
            self.transient = transient


class ModelAuthError(ModelError):
    pass


class ModelUnreachableError(ModelError):
    transient = True


class ContextTooLongError(ModelError):
    """`limit`: the tokens that the model takes, where its server said so."""

    limit: int | None = None


class RefusedError(ModelError):
    pass


class BadReplyError(ModelError):
    pass


class CostLimitError(ModelError):
    exit_code = 3
    transient = True
