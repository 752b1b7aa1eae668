"""What README says of the server, run line by line as a user would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_each_line_answers_from_the_samples(tmp_path: Path) -> None:
    section = (
        (REPOSITORY / "README.md").read_text(encoding="utf-8").split("## For other programs")[1]
    )
    (block, *_) = re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    token, *lines = block.splitlines()
    assert len(lines) == 3
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}

    def shell(command: str) -> str:
        return subprocess.run(
            ["bash", "-euc", command],
            cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=120,
        ).stdout  # fmt: skip

    graphrag = f"{sys.executable} -m graphrag"
    shell(f"{graphrag} index examples/documents --root kb")
    server = subprocess.Popen(
        [*graphrag.split(), "serve", "--root", "kb", "--port", "0"],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        with server.stdout as printed:
            address = printed.readline().strip()
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#(\S{40,})", address)
        assert match is not None, address
        for line in lines:
            answer = shell(f"{token}\n{line.replace(':8321', f':{match[1]}')}")
            assert "Brunel" in answer
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
