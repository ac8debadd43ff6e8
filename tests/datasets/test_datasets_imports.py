"""Importing the data sets is cheap: what only some calls need is imported by those calls."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("matplotlib", "tqdm", "urllib.request", "numba", "sklearn")


def test_import_brings_nothing_heavy():
    code = f"import sys, minicae.datasets; print([name for name in {HEAVY} if name in sys.modules])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_drawing_does_not_search_the_system_for_fonts():
    code = (
        "import sys; from minicae.datasets import make_glyphs; make_glyphs(1, cache=False);"
        "print('matplotlib.font_manager' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
