"""What all notebooks keep to, as lists of complaints: empty ones are good news.

`form` judges a stored notebook, `differences` compares it with a fresh run of itself. Numbers are compared with a
tolerance, because processors round differently and a training run makes more of it; the text between them is compared
as it stands. In a cell tagged "varies" (times, and whatever else is the machine's own) only the kinds of outputs are.
"""

import re

from tutorials import notebooks

BYTES = 400_000
EXERCISES = 3
RELATIVE, ABSOLUTE = 0.05, 1e-6
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# code, formulas, links, pictures: numbers there are definitions, not results
EXEMPT = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)", re.DOTALL)
CLAIM = re.compile(r"\d+[.,]\d+|\d+ ?(?:%|ms\b|µs\b|seconds?\b|times\b|dB\b)")
SETUP = """import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

import minicae as mc
from minicae import layers as L
from minicae import plots

plt.rcParams.update({"figure.dpi": 85, "figure.constrained_layout.use": True})
np.set_printoptions(precision=4, suppress=True, linewidth=110)"""


def form(notebook, size):
    """Complaints about a notebook as it is stored, `size` bytes long."""
    found = [] if size < BYTES else [f"{size:,} bytes; keep it below {BYTES:,}"]
    if notebooks.opening(notebook) is None:
        found.append("the first cell is not '# N. Title', '**Question.** ...', '**You need.** ... N minutes.'")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    if not code or code[0].source != SETUP:
        found.append("the first code cell is not the one that all notebooks begin with")
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not stored after one run from top to bottom")
    if not any(notebooks.figures(notebook)):
        found.append("no figure")
    if not any(re.search("^## What to remember", text, re.MULTILINE) for text in texts):
        found.append("no '## What to remember'")
    if notebook.cells[-1].cell_type != "markdown":
        found.append("the last cell is no text, where the way to the next notebook could stand")
    for text in texts:
        found += [f"a result in the text: {claim}" for claim in CLAIM.findall(EXEMPT.sub("", text))]
    return found + _exercises(notebook)


def _exercises(notebook):
    found, cells = [], notebook.cells
    questions = [place for place, cell in enumerate(cells) if cell.source.startswith("### Exercise ")]
    solutions = [place for place, cell in enumerate(cells) if "solution" in notebooks.tags(cell)]
    if len(questions) != EXERCISES or solutions != [place + 1 for place in questions]:
        found.append(f"exercises at cells {questions}, solutions at {solutions}: want {EXERCISES}, one after the other")
    for place in solutions:
        if not cells[place].metadata.get("jupyter", {}).get("source_hidden"):
            found.append(f"the solution in cell {place} is not folded away")
        if not re.search(r"^\s*assert |\.testing\.assert_", cells[place].source, re.MULTILINE):
            found.append(f"the solution in cell {place} asserts nothing")
    return found


def differences(stored, fresh):
    """Complaints about what a fresh run gives: errors, warnings, outputs that are not the stored ones."""
    found = notebooks.errors(fresh)
    for place, (old, new) in enumerate(zip(stored.cells, fresh.cells)):
        if new.cell_type != "code":
            continue
        found += [f"cell {place} warns: {o.text.strip()}" for o in new.outputs if o.get("name") == "stderr"]
        kinds = [[_kind(output) for output in cell.outputs] for cell in (old, new)]
        if kinds[0] != kinds[1]:
            found.append(f"cell {place}: stored {kinds[0]}, now {kinds[1]}")
        elif "varies" not in notebooks.tags(new):
            pairs = ((_text(before), _text(after)) for before, after in zip(old.outputs, new.outputs))
            found += [f"cell {place}: stored\n{a}\nnow\n{b}" for a, b in pairs if not alike(a, b)]
    return found


def _kind(output):
    return output.get("name") or "+".join(sorted(output.get("data", {output.output_type: None})))


def _text(output):
    data = output.get("data", {})
    return output.get("text") or data.get("text/markdown") or data.get("text/plain") or ""


def alike(before, after):
    """The same text but for white space, with the same numbers within the tolerance."""
    words = [[re.sub(r"\s+", "", word) for word in NUMBER.split(text)] for text in (before, after)]
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (before, after)]
    return words[0] == words[1] and all(
        abs(a - b) <= ABSOLUTE + RELATIVE * max(abs(a), abs(b)) for a, b in zip(*numbers)
    )
