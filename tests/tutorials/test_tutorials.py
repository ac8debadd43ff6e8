"""The notebooks, run from top to bottom in fresh kernels, and the rules that they are held to, held to mistakes.

Nothing here can reach another machine. Stored outputs are compared with those of the run: a notebook that shows what the
code no longer says fails.
"""

import copy
import re
import sys

import pytest

pytest.importorskip("nbclient", reason="notebooks need nbclient")
pytest.importorskip("ipykernel", reason="notebooks need ipykernel")

import nbformat

from tutorials import notebooks, rules
from tutorials.__main__ import HEAD, README, main, table

PATHS = notebooks.paths()


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook(path):
    stored = notebooks.read(path)
    nbformat.validate(stored)
    assert rules.form(stored, path.stat().st_size) == []
    fresh = notebooks.execute(copy.deepcopy(stored))
    assert rules.differences(stored, fresh) == []


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_links_and_numbers(path):
    stored = notebooks.read(path)
    assert int(path.name[:2]) == int(notebooks.opening(stored)["number"])
    for cell in stored.cells:
        if cell.cell_type == "markdown":
            for link in re.findall(r"\]\(([^)#:]+)\)", cell.source):
                assert (path.parent / link).exists(), f"{path.name} links to {link}, which is not there"


def test_the_table_shows_every_notebook():
    text = README.read_text()
    assert PATHS and table([(path, notebooks.read(path)) for path in PATHS]) in text, "run: python -m tutorials index"
    for path in PATHS:
        picture = notebooks.PICTURES / f"{path.name[:2]}.png"
        assert 0 < picture.stat().st_size < 40_000


def test_numbers_are_unique():
    numbers = [path.name[:2] for path in PATHS]
    assert sorted(set(numbers)) == numbers


def book(*sources, tags=()):
    """A small notebook of code cells."""
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_a_kernel_is_offline_and_stops_at_the_first_error():
    reach = "import urllib.request\nurllib.request.urlopen('https://example.org', timeout=5)"
    fresh = notebooks.execute(book("print('a')\nprint('b')", reach, "print('after')"))
    assert [output.text for output in fresh.cells[0].outputs] == ["a\nb\n"]
    assert len(notebooks.errors(fresh)) == 1 and "a tutorial works offline" in notebooks.errors(fresh)[0]
    assert fresh.cells[2].outputs == []
    assert any("offline" in complaint for complaint in rules.differences(fresh, fresh))


def test_a_kernel_is_this_interpreter_with_settings_of_its_own(tmp_path, monkeypatch):
    """A user may have a kernel of the same name, and files that IPython runs when it starts."""
    kernel, startup = tmp_path / "kernels" / "python3", tmp_path / "profile_default" / "startup"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "Python 3", "language": "python"}')
    startup.mkdir(parents=True)
    (startup / "own.py").write_text("print('hello')")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("MINICAE_DATA", "/somewhere")
    program = "import os, sys\nprint(sys.executable)\nprint(os.environ['MINICAE_DATA'])"
    fresh = notebooks.execute(book(program))
    interpreter, data = fresh.cells[0].outputs[0].text.splitlines()
    assert interpreter == sys.executable and data != "/somewhere"


def test_warnings_are_complaints():
    warned = book("f()")
    warned.cells[0].outputs = [stream("careful", "stderr")]
    assert rules.differences(warned, warned) == ["cell 0 warns: careful"]


@pytest.mark.parametrize(
    "before, after, same",
    [
        ("loss 0.1234", "loss 0.1240", True),
        ("loss 0.1234", "loss 0.1434", False),
        ("loss 0.1234", "cost 0.1234", False),
        ("[0.  1. ]", "[-0. 1.]", True),
        ("error 1.2e-16", "error 3e-12", True),
        ("sum nan", "sum 1.0", False),
        ("a 1 2", "a 12", False),
        ("n = 100 of 200", "n = 99  of 200", True),
    ],
)
def test_outputs_are_compared_with_a_tolerance(before, after, same):
    assert rules.alike(before, after) == same
    stored, fresh = book("f()"), book("f()")
    stored.cells[0].outputs, fresh.cells[0].outputs = [stream(before)], [stream(after)]
    assert bool(rules.differences(stored, fresh)) != same
    for notebook in (stored, fresh):
        notebook.cells[0].metadata.tags = ["varies"]
    assert rules.differences(stored, fresh) == []
    fresh.cells[0].outputs = []
    assert rules.differences(stored, fresh) != []


@pytest.mark.skipif(not PATHS, reason="no notebook to spoil")
@pytest.mark.parametrize(
    "spoil", ["title", "setup", "order", "figures", "exercise", "assert", "folded", "claim", "end", "last"]
)
def test_the_rules_find_what_is_missing(spoil):
    spoiled = notebooks.read(PATHS[0])
    cells = spoiled.cells
    solution = next(cell for cell in cells if "solution" in notebooks.tags(cell))
    if spoil == "title":
        cells[0].source = "# A title\n\nWithout a question."
    elif spoil == "setup":
        cells[1].source += "\nimport os"
    elif spoil == "order":
        cells[1].execution_count = 7
    elif spoil == "figures":
        for cell in cells:
            cell.pop("outputs", None)
    elif spoil == "exercise":
        solution.metadata.tags = []
    elif spoil == "assert":
        solution.source = "print('so it is')"
    elif spoil == "folded":
        solution.metadata.pop("jupyter")
    elif spoil == "claim":
        cells[0].source += "\n\nIt is 40 % faster, with `0.5` and $h^{0.5}$."
    elif spoil == "end":
        for cell in cells:
            cell.source = cell.source.replace("## What to remember", "## So")
    elif spoil == "last":
        del cells[-1]
    assert len(rules.form(spoiled, 1000)) == 1
    assert rules.form(notebooks.read(PATHS[0]), 1000) == []
    assert rules.form(notebooks.read(PATHS[0]), rules.BYTES) != []


def test_the_command_line(tmp_path, monkeypatch, capsys):
    """`run` stores outputs and keeps the bytes of a figure that did not change; `check` stores nothing."""
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    path = tmp_path / "01_small.ipynb"
    notebooks.store(book(draw, "print(1)"), path)
    before = path.read_bytes()
    assert main(["check"]) == 1 and path.read_bytes() == before
    assert "01_small: " in capsys.readouterr().out
    assert main(["run", "1"]) == 1
    once = path.read_bytes()
    assert once != before and len(list(notebooks.figures(notebooks.read(path)))) == 1
    main(["run"])
    assert path.read_bytes() == once
    with pytest.raises(SystemExit, match="no notebook has the number 9"):
        main(["run", "9"])
    with pytest.raises(SystemExit, match="no notebook has the number 8 or 9"):
        main(["run", "1", "9", "8"])
    assert path.read_bytes() == once


def test_the_index(tmp_path, monkeypatch):
    """Two notebooks: a row and a thumbnail for each, and the way from the first to the second. Once is enough."""
    readme = tmp_path / "README.md"
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(notebooks, "PICTURES", tmp_path)
    monkeypatch.setattr("tutorials.__main__.README", readme)
    readme.write_text(f"before\n\n{HEAD}\n| old | row |\n\nafter\n")
    for number in (1, 2):
        small = notebooks.read(PATHS[0])
        small.cells[0].source = re.sub(r"^# \d+", f"# {number}", small.cells[0].source)
        notebooks.store(small, tmp_path / f"0{number}_small.ipynb")
    assert main(["index"]) == 0
    lines = readme.read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and len(lines) == 8 and "old" not in readme.read_text()
    first, second = (notebooks.read(path).cells[-1].source for path in notebooks.paths())
    title = notebooks.opening(notebooks.read(notebooks.paths()[1]))["title"]
    assert first.endswith(f"**Next.** [{title}](02_small.ipynb)") and "Next" not in second
    written = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"01.png", "02.png"} < {path.name for path in written}
    main(["index"])
    assert written == {path: path.read_bytes() for path in tmp_path.iterdir()}
    bare = notebooks.read(notebooks.paths()[1])
    bare.cells = [cell for cell in bare.cells if cell.cell_type == "markdown"]
    notebooks.store(bare, tmp_path / "03_bare.ipynb")
    with pytest.raises(SystemExit, match="03_bare.ipynb has no title or no figure"):
        main(["index"])
    assert all(path.read_bytes() == held for path, held in written.items())
