"""Images to train on: two published data sets, and one that needs no network.

`load_mnist` and `load_fashion_mnist` find or download their files; `make_glyphs` draws as many digits as
asked for. `read_idx` and `write_idx` are for files of one's own in MNIST's format.
"""

from minicae.datasets.fashion_mnist import load_fashion_mnist
from minicae.datasets.glyphs import make_glyphs
from minicae.datasets.idx import read_idx, write_idx
from minicae.datasets.mnist import load_mnist

__all__ = ["load_fashion_mnist", "load_mnist", "make_glyphs", "read_idx", "write_idx"]
