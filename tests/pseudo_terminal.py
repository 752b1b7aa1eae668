"""Run a command in a pseudo-terminal, type into it, and see what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.cells import cell_len

_SIGNALS = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[=>]|([\r\n\b\a])|([^\x1b\r\n\b\a])")


class PseudoTerminal:
    """One process, and everything it wrote so far."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, width: int) -> None:
        self.process = process
        self._master = master
        self._width = width
        self._written = b""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal hands it to the process."""
        self.type("\x03")

    def wait_for(self, text: str, *, count: int = 1, seconds: float = 30) -> None:
        """Until the screen shows `text` `count` times."""
        end = time.monotonic() + seconds
        while f"\n{self.screen()}".count(text) < count:
            assert time.monotonic() < end, self.screen()
            assert self._read(), f"{text!r} is missing at the end of\n{self.screen()}"

    def finish(self, seconds: float = 60) -> int:
        """Until it ends; its exit code."""
        end = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < end, self.screen()
        return self.process.wait(seconds)

    @property
    def written(self) -> str:
        return self._written.decode(errors="replace")

    def screen(self) -> str:
        return show(self.written, width=self._width)

    def _read(self) -> bool:
        """A bit more, if there is any soon; whether the process may write more."""
        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux says so that the other end is closed
            return False
        self._written += piece
        return bool(piece)


@contextmanager
def run_in_terminal(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], width: int = 80
) -> Generator[PseudoTerminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**env, "TERM": "xterm-256color", "PYTHONUTF8": "1"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    try:
        yield PseudoTerminal(process, master, width)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
    signal.signal(signal.SIGINT, signal.default_int_handler)


def show(written: str, *, width: int) -> str:
    """The lines that a terminal shows of `written`, as many as there are."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for match in _SIGNALS.finditer(written):
        values, command, sign, letter = match.groups()
        count = int(values) if values and values.isdecimal() else 1
        if command == "A":
            row = max(row - count, 0)
        elif command == "C":
            column += count
        elif command == "K":
            del lines[row][0 if values == "2" else column :]
        elif sign == "\r":
            column = 0
        elif sign == "\b":
            column = max(column - 1, 0)
        elif sign == "\n" or (letter and column + cell_len(letter) > width):
            row, column = row + 1, 0 if letter else column
        while len(lines) <= row:
            lines.append([])
        if letter:
            line = lines[row]
            line += [" "] * (column + 1 - len(line))
            line[column] = letter
            column += 1
    return "\n".join("".join(line).rstrip() for line in lines)
