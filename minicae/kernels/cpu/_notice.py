"""Compiling takes seconds, and whoever waits is told: one line a process, on a terminal also which kernel it is just now.

MINICAE_QUIET=1 in the environment silences it.
"""

import contextlib
import os
import sys

compiled = []  # names of the kernels that this process has compiled, and not loaded from the disk


def begin(name: str, folder: str | None) -> None:
    """A kernel is not on the disk: its compilation begins."""
    compiled.append(name)
    if len(compiled) == 1:
        _say(f"minicae: compiling kernels for this machine ({_kept(folder)}) ...\n")
    if _on_terminal():
        _say(f"\r\x1b[2K  {len(compiled)}: {name}")


def end() -> None:
    """Its compilation is over: nothing of its name stays on the terminal."""
    if _on_terminal():
        _say("\r\x1b[2K")


def _kept(folder):
    return f"once; kept in {folder}" if folder else "every time anew: no folder to keep them in can be written"


def _on_terminal():
    return sys.stderr is not None and sys.stderr.isatty()


def _say(text):
    if os.environ.get("MINICAE_QUIET", "0") in ("", "0"):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # no standard error, or a closed one
            sys.stderr.write(text)
            sys.stderr.flush()
