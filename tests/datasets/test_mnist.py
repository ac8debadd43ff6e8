"""The loaders: on a small stand-in whose mirror is a folder, and on the real test images if they are here."""

import dataclasses
import hashlib
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from minicae.datasets import load_fashion_mnist, load_mnist, mnist, write_idx
from minicae.datasets.fashion_mnist import CLASSES, FASHION_MNIST
from minicae.datasets.idx import idx_bytes
from minicae.datasets.mnist import MNIST, Archive, Published, load_published
from minicae.errors import DatasetError, SettingError

DATA_FOLDERS = (os.environ.get("MINICAE_DATA"), Path(__file__).parents[3] / "shared" / "data")
REAL = next((Path(f) for f in DATA_FOLDERS if f and Path(f, "mnist", MNIST.test[0].name).is_file()), None)

needs_mnist = pytest.mark.skipif(
    REAL is None, reason="no MNIST test images: set MINICAE_DATA to the folder that holds mnist/"
)


@pytest.fixture
def toy(tmp_path):
    """A published data set of 2 x 3 pixels, its mirror the folder `web`; its arrays by file name."""
    rng = np.random.default_rng(0)
    web = tmp_path / "web"
    web.mkdir()
    halves, arrays, first = {}, {}, []
    for half, prefix, count in (("train", "train", 30), ("test", "t10k", 10_000)):
        images = rng.integers(0, 256, (count, 2, 3), dtype=np.uint8)
        images[0, 0, :2] = 0, 255
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        first.append("".join(map(str, labels[:10])))
        halves[half] = []
        for array, ending in ((images, "images.gz"), (labels, "labels.gz")):
            name = f"{prefix}-{ending}"
            write_idx(web / name, array)
            sha256 = hashlib.sha256(idx_bytes(array)).hexdigest()
            md5 = hashlib.md5((web / name).read_bytes()).hexdigest()
            halves[half].append(Archive(name, array.shape, md5, sha256))
            arrays[name] = array
    published = Published(
        title="Toy",
        folder="toy",
        mirrors=(f"{(tmp_path / 'gone').as_uri()}/", f"{web.as_uri()}/"),
        train=tuple(halves["train"]),
        test=tuple(halves["test"]),
        first_labels=tuple(first),
    )
    return published, arrays


def put(folder, arrays, pick=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        if name.startswith(pick):
            write_idx(folder / name, array)


def check_whole(result, arrays):
    (x_train, y_train), (x_test, y_test) = result
    for x, y, prefix in ((x_train, y_train, "train"), (x_test, y_test, "t10k")):
        images, labels = arrays[f"{prefix}-images.gz"], arrays[f"{prefix}-labels.gz"]
        assert x.dtype == np.float32 and y.dtype == np.int64
        np.testing.assert_array_equal(x[..., 0], (images / np.float32(255)).astype(np.float32))
        np.testing.assert_array_equal(y, labels)
        assert x.shape == (*images.shape, 1) and x.min() == 0 and x.max() == 1


def test_downloads_into_the_cache_and_then_reads_it(toy, cache):
    published, arrays = toy
    check_whole(load_published(published), arrays)
    assert sorted(file.name for file in (cache / "toy").iterdir()) == sorted(arrays)
    check_whole(load_published(published, download=False), arrays)


def test_downloads_into_a_folder_of_choice(toy, cache, tmp_path):
    published, arrays = toy
    check_whole(load_published(published, path=tmp_path / "mine"), arrays)
    assert sorted(file.name for file in (tmp_path / "mine" / "toy").iterdir()) == sorted(arrays)
    assert not cache.exists()


@pytest.mark.parametrize("where", [".", "toy"])
def test_reads_a_folder_without_a_network(toy, tmp_path, monkeypatch, where):
    published, arrays = toy
    put(tmp_path / "mine" / where, arrays)
    check_whole(load_published(published, path=tmp_path / "mine", download=False), arrays)
    monkeypatch.setenv("MINICAE_DATA", str(tmp_path / "mine"))
    check_whole(load_published(published, download=False), arrays)


def test_reads_unpacked_files(toy, tmp_path):
    published, arrays = toy
    put(tmp_path / "mine", {name.removesuffix(".gz"): array for name, array in arrays.items()})
    check_whole(load_published(published, path=tmp_path / "mine", download=False), arrays)


def test_subset_test_splits_the_test_images_in_file_order(toy, tmp_path):
    published, arrays = toy
    put(tmp_path / "mine", arrays, "t10k")
    train, test = load_published(published, tmp_path / "mine", download=False, subset="test")
    assert [len(a) for a in (*train, *test)] == [9000, 9000, 1000, 1000]
    for k, name in enumerate(("t10k-images.gz", "t10k-labels.gz")):
        joined = np.concatenate([train[k], test[k]])
        expected = arrays[name][..., np.newaxis] / np.float32(255) if k == 0 else arrays[name]
        np.testing.assert_array_equal(joined, expected)


def test_auto_takes_what_is_there(toy, tmp_path):
    published, arrays = toy
    only_test, whole = tmp_path / "only_test", tmp_path / "whole"
    put(only_test, arrays, "t10k")
    put(whole, arrays)
    with pytest.warns(UserWarning, match="first 9,000 to train on and the last 1,000 to test on") as caught:
        train, _ = load_published(published, only_test, subset="auto")
    assert len(train[0]) == 9000
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_whole(load_published(published, whole, download=False, subset="auto"), arrays)
        check_whole(load_published(published, tmp_path / "nothing", subset="auto"), arrays)


def test_warning_points_at_the_caller(tmp_path):
    put(tmp_path, {MNIST.test[0].name: np.zeros((10_000, 28, 28), np.uint8)})
    put(tmp_path, {MNIST.test[1].name: np.zeros(10_000, np.uint8)})
    with pytest.warns(UserWarning) as caught:
        load_mnist(tmp_path, download=False, subset="auto")
    assert {warning.filename for warning in caught} == {__file__}
    assert [bool(re.search("not the labels of MNIST", str(w.message))) for w in caught] == [False, True]


def test_offline_message_says_what_was_tried_and_what_to_do(toy, cache, tmp_path, monkeypatch):
    published, arrays = toy
    published = dataclasses.replace(published, mirrors=((tmp_path / "gone").as_uri() + "/", "http://[bad/"))
    monkeypatch.setenv("MINICAE_DATA", str(tmp_path / "mine"))
    with pytest.raises(DatasetError) as fault:
        load_published(published)
    message = str(fault.value)
    assert all(f"tried {mirror}train-images.gz" in message for mirror in published.mirrors)
    assert "make_glyphs" in message and 'subset="test"' not in message
    assert all(name in message for name in arrays)
    assert str(cache / "toy") in message and str(tmp_path / "mine") in message

    put(tmp_path / "mine", arrays, "t10k")
    with pytest.raises(DatasetError, match='subset="test" trains on 9,000'):
        load_published(published)


def test_no_network_without_download(toy, cache):
    published, _ = toy
    for subset in (None, "test", "auto"):
        with pytest.raises(DatasetError, match="is not on this machine"):
            load_published(published, download=False, subset=subset)
    assert not cache.exists()


def spoil(kind, file, array):
    if kind == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif kind == "other shape":
        write_idx(file, array[1:])
    elif kind == "other dtype":
        write_idx(file, array.astype(np.int16))
    else:
        write_idx(file, array[::-1])


@pytest.mark.parametrize("kind", ["cut", "other shape", "other dtype", "other content"])
def test_damaged_file_in_the_cache_is_downloaded_again(toy, cache, kind):
    published, arrays = toy
    load_published(published)
    file = cache / "toy" / "t10k-images.gz"
    spoil(kind, file, arrays[file.name])
    with pytest.raises(DatasetError, match=re.escape(str(file))):
        load_published(published, download=False)
    offline = dataclasses.replace(published, mirrors=published.mirrors[:1])
    with pytest.raises(DatasetError, match=re.escape(str(file))):
        load_published(offline)
    check_whole(load_published(published), arrays)


@pytest.mark.parametrize("kind", ["cut", "other shape", "other dtype"])
def test_damaged_file_of_the_user_is_refused_and_left_alone(toy, tmp_path, kind):
    published, arrays = toy
    put(tmp_path / "mine", arrays)
    file = tmp_path / "mine" / "train-images.gz"
    spoil(kind, file, arrays[file.name])
    before = file.read_bytes()
    with pytest.raises(DatasetError, match=re.escape(str(file))):
        load_published(published, tmp_path / "mine")
    assert file.read_bytes() == before


def test_packed_again_is_as_good(toy, tmp_path):
    published, arrays = toy
    other = {a.name: dataclasses.replace(a, md5="0" * 32) for a in (*published.train, *published.test)}
    put(tmp_path / "mine", arrays)
    published = dataclasses.replace(
        published,
        train=tuple(other[a.name] for a in published.train),
        test=tuple(other[a.name] for a in published.test),
    )
    check_whole(load_published(published, tmp_path / "mine"), arrays)
    with pytest.raises(DatasetError, match="MD5"):
        load_published(published)


def test_labels_of_another_data_set_are_noticed(toy, tmp_path):
    published, arrays = toy
    put(tmp_path, {**arrays, "t10k-labels.gz": (arrays["t10k-labels.gz"] + 1) % 10})
    with pytest.warns(UserWarning, match="not the labels of Toy"):
        load_published(published, tmp_path, download=False, subset="test")
    put(tmp_path, {"t10k-labels.gz": arrays["t10k-labels.gz"] + 1})
    with pytest.raises(DatasetError, match="holds the label 10"):
        load_published(published, tmp_path, download=False, subset="test")


@pytest.mark.parametrize("load, published", [(load_mnist, MNIST), (load_fashion_mnist, FASHION_MNIST)])
def test_public_loaders(load, published, cache, monkeypatch):
    with pytest.raises(SettingError, match="subset='train' is unknown"):
        load(subset="train")
    with pytest.raises(DatasetError, match=f"{published.title}: .*is not on this machine"):
        load(download=False)
    called = []
    monkeypatch.setattr(mnist, "fetch_archive", lambda name, md5, *_, **__: called.append(name) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load(subset="auto")
    assert called == ["train-images-idx3-ubyte.gz"]


def test_published_facts():
    assert len(CLASSES) == 10
    for published in (MNIST, FASHION_MNIST):
        archives = (*published.train, *published.test)
        assert [a.shape[0] for a in archives] == [60_000, 60_000, 10_000, 10_000]
        assert all(re.fullmatch("[0-9a-f]{32}", a.md5) for a in archives)
        assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in published.mirrors)
    digests = [a.md5 for p in (MNIST, FASHION_MNIST) for a in (*p.train, *p.test)]
    assert len(set(digests)) == 8


@needs_mnist
def test_real_test_images(cache, monkeypatch):
    monkeypatch.setenv("MINICAE_DATA", str(REAL))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (x_train, y_train), (x_test, y_test) = load_mnist(download=False, subset="test")
    assert x_train.shape == (9000, 28, 28, 1) and x_test.shape == (1000, 28, 28, 1)
    assert y_train[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    labels = np.concatenate([y_train, y_test]).astype(np.uint8)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    images = np.rint(255 * np.concatenate([x_train, x_test])[..., 0]).astype(np.uint8)
    digests = [hashlib.sha256(idx_bytes(array)).hexdigest() for array in (images, labels)]
    assert digests == [archive.sha256 for archive in MNIST.test]


@needs_mnist
def test_real_test_images_pass_from_the_cache(cache):
    cache.mkdir()
    (cache / "mnist").symlink_to(REAL / "mnist", target_is_directory=True)
    load_mnist(download=False, subset="test")
