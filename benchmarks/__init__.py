"""How fast minicae is, and how near to what the machine can do: `python -m benchmarks`.

    topics/       what is measured: one file a topic, whose `rows(session)` yields rows
    libraries/    who is measured: one file a library, a function for each operation; `gpu` is the GPU itself
    problems.py   one operation at one size: its arrays, its right answer, its cost; products
    passes.py     operations that only move numbers
    networks.py   whole networks, trained
    session.py    one run: starts contestants, validates, compares
    timing.py     how: every contestant in a process of its own, in turn, round after round
    worker.py     what runs in such a process
    rows.py       what comes out, as text
    report.py     saving it, the machine it was measured on, and the README's table
    figures.py    the roofline and the step, layer by layer

A new topic is one file in `topics/` and its name there; a new contestant is one line in `libraries/__init__.py`, and a
file for a library that is not there yet. Nothing is timed before its result has been compared with the definition in
float64. Every library keeps its own defaults, but for the number of threads and, on a GPU, float32 without TF32.
"""
