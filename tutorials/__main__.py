"""`python -m tutorials run 3`: run notebook 3 in a fresh kernel and store it; `check`: what is wrong, where; `index`.

`index` writes what follows from all notebooks together: the table in README.md, the thumbnails, and at the end of each
notebook the way to the next.
"""

import argparse
import copy
import re
import sys
import time

from minicae.arguments import COUNT

try:
    from tutorials import notebooks, rules
except ImportError as fault:
    sys.exit(f'python -m tutorials runs notebooks with nbclient: pip install -e ".[tutorials]" ({fault})')

README = notebooks.FOLDER / "README.md"
HEAD = "| | notebook | the question | minutes |\n| --- | --- | --- | --- |"
NEXT = "\n\n**Next.** "


def main(argv=None) -> int:
    """Do what `argv` asks. Returns the exit code: 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tutorials", description=__doc__)
    parser.add_argument("verb", choices=("run", "check", "index"))
    parser.add_argument(
        "numbers", nargs="*", type=COUNT, metavar="N", help="which notebooks; all of them if none is named"
    )
    arguments = parser.parse_args(argv)
    if arguments.verb == "index":
        index()
        return 0
    chosen = notebooks.paths(arguments.numbers)
    missing = sorted(set(arguments.numbers) - {int(path.name[:2]) for path in chosen})
    if missing:
        sys.exit(f"no notebook has the number {' or '.join(map(str, missing))}")
    if not chosen:
        sys.exit(f"there is no notebook in {notebooks.FOLDER}")
    return max([_one(path, arguments.verb == "run") for path in chosen])


def _one(path, keep):
    """Run one notebook, store it if `keep`, and print what there is to say about it. Returns 1 for complaints."""
    stored, start = notebooks.read(path), time.perf_counter()
    fresh = notebooks.execute(copy.deepcopy(stored))
    seconds = time.perf_counter() - start
    if keep:
        notebooks.store(fresh, path)
        stored = fresh
    size = path.stat().st_size
    complaints = rules.form(stored, size) + rules.differences(stored, fresh)
    print(
        f"{path.stem}: {seconds:.0f} s, {size / 1000:.0f} kB, {'good' if not complaints else 'not good:'}", flush=True
    )
    for complaint in complaints:
        print(f"  {complaint}")
    return int(bool(complaints))


def table(books):
    """The table of the README: a row for each (path, notebook)."""
    rows = []
    for path, notebook in books:
        said = notebooks.opening(notebook)
        rows.append(
            f"| [![{said['title']}]({notebooks.PICTURES.name}/{path.name[:2]}.png)]({path.name}) "
            f"| [{said['title']}]({path.name}) | {said['question']} | {said['minutes']} |"
        )
    return "\n".join([HEAD, *rows])


def index():
    """Write the table, the thumbnails and the ways to the next notebook; nothing while one of them has no title or figure."""
    books = [(path, notebooks.read(path)) for path in notebooks.paths()]
    for path, notebook in books:
        if notebooks.opening(notebook) is None or not any(notebooks.figures(notebook)):
            sys.exit(f"{path.name} has no title or no figure: python -m tutorials check {int(path.name[:2])} says more")
    for (path, notebook), following in zip(books, [*books[1:], None]):
        (notebooks.PICTURES / f"{path.name[:2]}.png").write_bytes(notebooks.thumbnail(notebook))
        last = notebook.cells[-1]
        source = last.source.split(NEXT)[0]
        if following:
            source += f"{NEXT}[{notebooks.opening(following[1])['title']}]({following[0].name})"
        if source != last.source:
            last.source = source
            notebooks.store(notebook, path)
    text = README.read_text("utf-8")
    text = re.sub(rf"{re.escape(HEAD)}\n(\|.*\n)*", lambda found: table(books) + "\n", text)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
