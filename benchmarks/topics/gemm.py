"""Matrix products of the sizes that the inner convolutions of the network end in."""

from benchmarks.problems import Product

TITLE = "matrix products: rows are pixels of a batch of 64"
SIZES = (12_544, 576, 128), (3_136, 1_152, 256), (3_136, 2_304, 128), (12_544, 1_152, 64)
CONTESTANTS = "minicae", "NumPy", "PyTorch", "JAX"


def rows(session):
    """One case a size."""
    for M, K, N in SIZES[:1] if session.quick else SIZES:
        yield from session.compare(Product(min(M, 128) if session.quick else M, K, N), CONTESTANTS)
