"""`graphrag` and `python -m graphrag`: the command line as a process of its own."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from io import TextIOWrapper
from typing import NoReturn

EXIT_BROKEN_PIPE = 141  # what shells report of a tool whose reader ended first: 128 + SIGPIPE


def run() -> None:
    """Run one command and exit with its code."""
    # Nearly all that a command makes it needs until its end. To look for garbage in it while
    # modules load, and once more at exit, takes a third of the time of a short one.
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)
    # The threads that numpy's OpenBLAS starts wait by spinning, a tenth of a second in all: more
    # than they save on the products of one command.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # To look for plug-ins of pydantic reads the metadata of every package there is.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # A container is stopped by this, and a process that is the first of one ignores it by default.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run()
    except KeyboardInterrupt:  # while modules were loaded
        _leave()


def _run() -> None:
    from graphrag.cli.main import main
    from graphrag.cli.options import Interrupted

    if "--log-json" in sys.argv:
        # What goes wrong before a command begins, and after it, must be JSON as well.
        from graphrag.cli.log_output import JsonLines

        sys.stderr = JsonLines(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what its encoding lacks is shown by its number
            stream.reconfigure(errors="backslashreplace")
    out = sys.stdout
    try:
        main(prog_name="graphrag")
    except Interrupted:
        _leave()
    except SystemExit:
        if sys.stdout is not out:  # click replaced it, for its reader is gone
            sys.exit(EXIT_BROKEN_PIPE)
        raise


def _leave() -> NoReturn:
    """End at once: an exit would wait for threads that still compute."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    run()
