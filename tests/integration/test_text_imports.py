from __future__ import annotations

import subprocess
import sys


def test_english_loads_no_language_model_and_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys; import graphrag.text as t; heavy = {'numpy', 'polars', 'py3langid',"
        "'Stemmer'}; print(heavy & set(sys.modules));"
        "print(t.detect_language('It was the best of times, and it was the worst of times. ' * 3),"
        "'py3langid' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["set()", "en False"]
