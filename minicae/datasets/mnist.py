"""MNIST: 70,000 grey images of handwritten digits, 28 x 28 pixels, as arrays ready to train on.

`load_mnist` finds the four published files on this machine or downloads them, checks them and scales the
pixels to 0..1. Where only the 10,000 test images are to be had, `subset="test"` makes a small training and
test set of those. `Published` and `load_published` hold all that MNIST shares with data sets of the same
form; see `fashion_mnist.py`.

Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.
"""

import hashlib
import math
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minicae.datasets.download import download_folder, fetch_archive, find_archive, search_folders
from minicae.datasets.idx import idx_bytes, read_idx
from minicae.errors import DatasetError, SettingError

Pair = tuple[np.ndarray, np.ndarray]
SUBSETS = (None, "test", "auto")
TEST_SPLIT = 9_000  # of the 10,000 test images, those that subset="test" gives for training


@dataclass(frozen=True)
class Archive:
    """One published file: its name, the shape of the uint8 array in it, its digests.

    `md5` is that of the gzip archive, `sha256` that of the content, where it is known.
    """

    name: str
    shape: tuple[int, ...]
    md5: str
    sha256: str | None = None


@dataclass(frozen=True)
class Published:
    """A published data set: images and labels to train on, images and labels to test on.

    `first_labels` are those of the first ten training and test images. Data sets of this form share their
    file names and sizes, so the labels are what tells one from another.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    train: tuple[Archive, Archive]
    test: tuple[Archive, Archive]
    first_labels: tuple[str, str]


MNIST = Published(
    title="MNIST",
    folder="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    train=(
        Archive("train-images-idx3-ubyte.gz", (60_000, 28, 28), "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        Archive("train-labels-idx1-ubyte.gz", (60_000,), "d53e105ee54ea40749a09fcbcd1e9432"),
    ),
    test=(
        Archive(
            "t10k-images-idx3-ubyte.gz",
            (10_000, 28, 28),
            "9fb629c4189551a2d022fa330f9573f3",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        Archive(
            "t10k-labels-idx1-ubyte.gz",
            (10_000,),
            "ec29112dd5afa0611ce80d1b7f02629c",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    first_labels=("5041921314", "7210414959"),
)


def load_mnist(
    path: str | os.PathLike | None = None, download: bool = True, subset: str | None = None
) -> tuple[Pair, Pair]:
    """The MNIST digits, found on this machine or downloaded.

    Parameters
    ----------
    path : folder that holds the files, or a folder `mnist` with them, gzipped or not; what is missing is
        downloaded into `path/mnist`. None: the same in the folder that MINICAE_DATA names, then the cache,
        which takes downloads.
    download : False: never use the network.
    subset : None: 60,000 images to train on and 10,000 to test on. "test": only the published test images, in
        file order, the first 9,000 to train on and the last 1,000 to test on. "auto": the whole set if it is
        on this machine, else "test" (with a warning) if that is, else the whole set, downloaded.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : images (N, 28, 28, 1) float32 in 0..1, digits (N,) int64 in 0..9.

    Raises
    ------
    DatasetError
        When a file is missing and cannot be downloaded, or is damaged.
    SettingError
        When `subset` is none of the above.
    """
    return load_published(MNIST, path, download, subset)


def load_published(
    published: Published,
    path: str | os.PathLike | None = None,
    download: bool = True,
    subset: str | None = None,
) -> tuple[Pair, Pair]:
    """As `load_mnist`, for the data set `published`."""
    if subset not in SUBSETS:
        raise SettingError(f"subset={subset!r} is unknown; it is one of {', '.join(map(repr, SUBSETS))}")
    folders = search_folders(published.folder, path)
    here = [_is_here(half, folders) for half in (published.train, published.test)]
    if subset == "auto" and here == [False, True]:
        subset = "test"
        warnings.warn(
            f"{published.title}: the 60,000 training images are not on this machine; using the 10,000 test "
            "images, the first 9,000 to train on and the last 1,000 to test on",
            stacklevel=3,
        )
    if subset == "test":
        x, y = _load_half(published, published.test, path, download)
        return (x[:TEST_SPLIT], y[:TEST_SPLIT]), (x[TEST_SPLIT:], y[TEST_SPLIT:])
    train = _load_half(published, published.train, path, download)
    return train, _load_half(published, published.test, path, download)


def _is_here(half: tuple[Archive, Archive], folders: list[Path]) -> bool:
    return all(find_archive(archive.name, folders) for archive in half)


def _load_half(published: Published, half: tuple[Archive, Archive], path, download: bool) -> Pair:
    """The training or the test half: images scaled to 0..1 with a channel axis, labels as int64."""
    images, labels = (_load_archive(published, archive, path, download) for archive in half)
    if labels.max() > 9:
        raise DatasetError(f"{half[1].name}: holds the label {labels.max()}, {published.title} goes from 0 to 9")
    if "".join(map(str, labels[:10])) != published.first_labels[half is published.test]:
        where = find_archive(half[1].name, search_folders(published.folder, path))
        warnings.warn(
            f"{where}: not the labels of {published.title}; data sets of this form share their file names",
            stacklevel=4,
        )
    x = np.divide(images, np.float32(255), dtype=np.float32)
    return x[..., np.newaxis], labels.astype(np.int64)


def _load_archive(published: Published, archive: Archive, path, download: bool) -> np.ndarray:
    """The uint8 array of one archive, from this machine if it is there and sound, else downloaded."""
    home = download_folder(published.folder, path)
    found = find_archive(archive.name, search_folders(published.folder, path))
    faults = [] if found else [f"{archive.name} is not on this machine"]
    if found:
        cached = path is None and found.parent == home
        try:
            return _read_checked(published, archive, found, cached)
        except DatasetError as fault:
            # a damaged download in the cache is replaced; what somebody put elsewhere is not ours to replace
            if not (cached and download):
                raise
            faults.append(fault.message)
    if download:
        size = 16 + math.prod(archive.shape)
        try:
            fetched = fetch_archive(archive.name, archive.md5, published.mirrors, home, max_bytes=size + 2**16)
            return _read_checked(published, archive, fetched, cached=True)
        except DatasetError as fault:
            faults.append(fault.message)
    raise DatasetError(_what_to_do(published, archive, faults, path))


def _read_checked(published: Published, archive: Archive, file: Path, cached: bool) -> np.ndarray:
    """The array in `file`, of the archive's shape and, if it is our download, with the archive's content."""
    array = read_idx(file, max_bytes=2 * math.prod(archive.shape))
    if array.shape != archive.shape or array.dtype != np.uint8:
        wanted = f"{published.title} has uint8 of shape {archive.shape}"
        raise DatasetError(f"{file}: holds {array.dtype} of shape {array.shape}, {wanted}")
    if cached and archive.sha256 and hashlib.sha256(idx_bytes(array)).hexdigest() != archive.sha256:
        raise DatasetError(f"{file}: its content is not that of {published.title}; delete it to download it again")
    return array


def _what_to_do(published: Published, archive: Archive, faults: list[str], path) -> str:
    """The message when a file is nowhere to be had: what was tried, and each way out of it."""
    folders = search_folders(published.folder, path)
    names = [one.name for one in (*published.train, *published.test)]
    lines = [
        f"{published.title}: {faults[0]}",
        *faults[1:],
        f"looked in {', '.join(map(str, folders))}",
        f"put these files, gzipped or not, into {download_folder(published.folder, path)}"
        + (" or the folder that MINICAE_DATA names:" if path is None else ":"),
        *(f"  {name}" for name in names),
        "without a network, minicae.datasets.make_glyphs(n) draws digits of the same form",
    ]
    if archive in published.train and _is_here(published.test, folders):
        lines.append('the 10,000 test images are here: subset="test" trains on 9,000 and tests on 1,000 of them')
    return "\n  ".join(lines)
