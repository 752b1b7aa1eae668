"""The `openai` package, imported without the type definitions of endpoints that nobody here calls.

Half the time of `import openai` goes into the classes of the Responses, Evals and Graders APIs.
`defer_unused_types` puts stand-ins for those subpackages in place: they find their submodules as
ever, and run their own `__init__` when a name in them is asked for, by us or by the application
around us.
"""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

_DEFERRED = ("openai.types", "openai.types.responses", "openai.types.graders")
_PENDING = "_graphrag_pending"

_lock = threading.RLock()


class _Deferred(ModuleType):
    """A package whose `__init__` has not run yet."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        with _lock:
            found = vars(self)
            # Names that are missing while `__init__` runs are submodules that it imports.
            if found.pop(_PENDING, False) and self.__spec__ and self.__spec__.loader:
                self.__spec__.loader.exec_module(self)
                object.__setattr__(self, "__class__", ModuleType)
            if name in found:
                return found[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def defer_unused_types() -> None:
    """To be called before `import openai`; without effect once that was done."""
    if "openai" in sys.modules:
        return
    with _lock:
        package = find_spec("openai")
        if package is None or not package.submodule_search_locations:
            return
        folder = Path(package.submodule_search_locations[0])
        for name in _DEFERRED:
            _defer(name, folder.joinpath(*name.split(".")[1:]))


def _defer(name: str, folder: Path) -> None:
    start = folder / "__init__.py"
    if name in sys.modules or not start.is_file():
        return
    spec = spec_from_file_location(name, start, submodule_search_locations=[str(folder)])
    if spec is None:
        return
    module = module_from_spec(spec)
    module.__class__ = _Deferred
    vars(module)[_PENDING] = True
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if isinstance(sys.modules.get(parent), _Deferred):
        vars(sys.modules[parent])[child] = module
