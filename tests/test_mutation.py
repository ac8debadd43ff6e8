"""The script that mutates the kernels works, what it has found is on record, and what it excuses is still there."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
FILES = [
    f"{folder.name}/{file.name}"
    for folder in (HERE.parent / "minicae" / "kernels" / name for name in ("reference", "cpu"))
    for file in sorted(folder.glob("*.py"))
    if file.name not in ("__init__.py", "facts.py", "peak.py") and not file.name.startswith("_")
]


def mutation(*arguments):
    done = subprocess.run(
        [sys.executable, HERE / "mutation.py", *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_few_mutants_are_caught():
    said = mutation(
        "--file", "reference/noise.py", "--file", "cpu/noise.py", "--tests", "elementwise", "--sample", "12"
    )
    found = re.findall(r"noise.py: 100.0% of (\d+) caught; 0 that change nothing", said)
    assert len(found) == 2 and min(map(int, found)) >= 4, said


def test_one_that_no_test_reaches_is_not():
    said = mutation("--file", "cpu/guard.py", "--tests", "optim", "--sample", "3")
    assert re.search(r"guard.py: 0\.0% of [1-9]", said), said


def test_what_is_excused_is_still_there():
    assert mutation("--stale").strip() == ""


@pytest.mark.parametrize("file", FILES)
def test_at_least_95_percent_were_caught(file):
    result = json.loads((HERE / "mutation_results.json").read_text()).get(file)
    if result is None:
        pytest.skip(f"not all mutants of {file} have been run: python tests/mutation.py --record --file {file}")
    assert result["caught"] > 0 and result["share"] >= 0.95
