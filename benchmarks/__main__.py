"""`python -m benchmarks [TOPIC ...] [--save]`: measure this machine; `python -m benchmarks table`: the README's table."""

import argparse
import functools
import importlib
import itertools
import os
import sys
from pathlib import Path

from benchmarks import report, topics
from benchmarks.libraries import CONTESTANTS, Unavailable
from benchmarks.rows import HEADER, table
from benchmarks.session import Session
from minicae.arguments import COUNT


def main(argv=None) -> int:
    """Run the topics that `argv` names. Returns the exit code: 1 where a result was wrong."""
    arguments = _parser().parse_args(argv)
    names = dict.fromkeys(itertools.chain(*(topics.NAMES if name == "all" else [name] for name in arguments.topics)))
    if "table" in names:
        print(report.readme_table(arguments.out))
        return 0
    names = [name for name in names if _possible(name, arguments.quick)]
    if not names:
        return 0
    if arguments.save:
        try:
            arguments.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sys.exit(f"benchmarks: --out {arguments.out}: {error.strerror}")
    about, wrong = report.machine(arguments.threads) | ({"quick": True} if arguments.quick else {}), False
    with Session(arguments.threads, arguments.quick, arguments.only) as session:
        print(", ".join(f"{key} {value}" for key, value in about.items()))
        if names != ["cuda"]:  # which has peaks of its own
            print(_peaks(session), flush=True)
        for name in names:
            keep = functools.partial(_keep, arguments.out, name, about, session) if arguments.save else None
            rows = _measured(session, name, keep)
            wrong = wrong or any(row.note.startswith("wrong") for row in rows)
            if arguments.save:
                _save(arguments.out, name, rows, about, session.extras)
            session.extras = {}
    return 1 if wrong else 0


def _possible(name, quick):
    """Whether a topic can be measured here; a line says so where it cannot."""
    missing = getattr(importlib.import_module(f"benchmarks.topics.{name}"), "missing", None)
    missing = missing(quick) if missing else ""
    if missing:
        print(f"{name} is left out: {missing}")
    return not missing


def _measured(session, name, keep=None):
    """All rows of a topic, each case printed when it is complete, and handed to `keep` with those before it."""
    topic, rows, units = importlib.import_module(f"benchmarks.topics.{name}"), [], set()
    print(f"\n=== {name}: {topic.TITLE}", flush=True)
    for _, case in itertools.groupby(topic.rows(session), key=lambda row: row.case):
        case = list(case)
        if case[0].unit not in units:
            units.add(case[0].unit)
            print(getattr(topic, "HEADER", HEADER[case[0].unit]))
        print(table(case), flush=True)
        rows += case
        if keep:
            keep(rows)
    session.end_all()
    return rows


def _keep(folder, name, about, session, rows):
    """Save what there is so far: a run that is ended loses only what it had not measured."""
    report.save(folder, name, rows, about | {"complete": False}, session.extras)


def _save(folder, name, rows, about, extras):
    path = report.save(folder, name, rows, about, extras)
    written = [path]
    if "profile" in extras:
        from benchmarks import figures

        written += figures.draw(folder, extras)
    print(f"wrote {', '.join(map(str, written))}", flush=True)


def _peaks(session):
    """The machine's peaks in one line, with the clock that they would mean."""
    machine = session.contestant("the machine")
    try:
        fma, vector = machine.request("ask", "fma"), machine.request("ask", "vector_bytes")
        copy = machine.request("ask", "copy", 1 << 20 if session.quick else 1 << 28)
    except Unavailable as error:
        return f"the machine's peaks are unknown: {error}"
    clock = fma / session.threads / (2 * 2 * vector / 4)
    return (
        f"peak: {fma:,.0f} GFLOP/s of multiply-adds in registers, {session.threads} threads, {8 * vector}-bit vectors"
        f" (two a cycle at {clock:.2f} GHz); {copy:.1f} GB/s of copy between large arrays"
    )


def _parser():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = (*topics.NAMES, "all", "table")
    parser.add_argument("topics", nargs="*", default=["all"], choices=choices, metavar="TOPIC", help=", ".join(choices))
    parser.add_argument("--save", action="store_true", help="write results and figures to --out")
    parser.add_argument("--out", type=Path, default=report.RESULTS, metavar="DIR", help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: to see that everything runs")
    parser.add_argument("--threads", type=COUNT, default=cores, metavar="N", help="for everybody (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="WHO", help=", ".join(CONTESTANTS))
    return parser


if __name__ == "__main__":
    sys.exit(main())
