"""Fashion-MNIST: 70,000 grey images of clothes, in the form of MNIST and harder to tell apart.

Only what differs from MNIST is here: where the files come from, their digests, the names of the classes. The
loading is that of `mnist.py`.

Source: Xiao, Rasul and Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms, arXiv:1708.07747.
"""

import os

from minicae.datasets.mnist import Archive, Pair, Published, load_published

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

FASHION_MNIST = Published(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    train=(
        Archive("train-images-idx3-ubyte.gz", (60_000, 28, 28), "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        Archive("train-labels-idx1-ubyte.gz", (60_000,), "25c81989df183df01b3e8a0aad5dffbe"),
    ),
    test=(
        Archive("t10k-images-idx3-ubyte.gz", (10_000, 28, 28), "bef4ecab320f06d8554ea6380940ec79"),
        Archive("t10k-labels-idx1-ubyte.gz", (10_000,), "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    first_labels=("9003027255", "9211614657"),
)


def load_fashion_mnist(
    path: str | os.PathLike | None = None, download: bool = True, subset: str | None = None
) -> tuple[Pair, Pair]:
    """The Fashion-MNIST clothes, found on this machine or downloaded.

    Parameters, results and errors as `load_mnist`; the folder is `fashion-mnist`, `CLASSES[y]` names a class.
    """
    return load_published(FASHION_MNIST, path, download, subset)
