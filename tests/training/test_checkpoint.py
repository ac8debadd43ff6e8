"""Checkpoint files against every small damage, and against descriptions that someone has tampered with."""

import contextlib
import copy
import json
import random
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import CheckpointError
from minicae.training import checkpoint

HEADER, ARRAY = {"note": "as small as a checkpoint can be"}, {"a": np.array([1.5, -2.0], np.float32)}


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    return checkpoint.write(tmp_path_factory.mktemp("smallest") / "file", HEADER, ARRAY).read_bytes()


def refused(content, path):
    path.write_bytes(content)
    try:
        checkpoint.read(path)
    except CheckpointError as error:
        return str(error).startswith(f"{path}: ") and "\n" not in str(error)
    return False


def test_the_file_as_it_was_written_is_read(smallest, tmp_path):
    assert not refused(smallest, tmp_path / "whole")
    header, arrays = checkpoint.read(tmp_path / "whole")
    assert header["note"] == HEADER["note"] and np.array_equal(arrays["a"], ARRAY["a"])


def test_every_single_flipped_bit_is_refused(smallest, tmp_path):
    for place in range(8 * len(smallest)):
        damaged = bytearray(smallest)
        damaged[place // 8] ^= 1 << place % 8
        assert refused(bytes(damaged), tmp_path / "damaged"), f"bit {place % 8} of byte {place // 8}"


def test_every_truncation_and_what_is_put_before_or_behind_is_refused(smallest, tmp_path):
    for end in range(len(smallest)):
        assert refused(smallest[:end], tmp_path / "short"), end
        assert refused(smallest[end + 1 :], tmp_path / "late"), end
    for more in (b"\0", b"PK", smallest):
        assert refused(smallest + more, tmp_path / "long") and refused(more + smallest, tmp_path / "long")


def tiny():
    encoder = [L.Conv2D(2, 3, activation="elu"), L.BatchNormalization(), L.Flatten(), L.Dense(6), L.GaussianSampling()]
    decoder = [L.Dense(9), L.Reshape((3, 3, 1))]
    model = mc.Autoencoder(encoder, decoder, (3, 3, 1), seed=1, backend="reference")
    model.compile("mse", "adam", metrics=["mae"])
    model.train_on_batch(np.random.default_rng(0).random((4, 3, 3, 1)))
    return model


def test_two_hundred_random_damages_to_a_model_are_refused(tmp_path):
    content = tiny().save(tmp_path / "model").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 5)):
            place, length = int(rng.integers(len(damaged))), int(rng.integers(1, 40))
            match rng.integers(4):
                case 0:
                    damaged[place : place + length] = rng.bytes(length)
                case 1:
                    del damaged[place : place + length]
                case 2:
                    damaged[place:place] = rng.bytes(length)
                case 3:
                    damaged[place : place + length] = bytes(length)
        if damaged != content:
            assert refused(bytes(damaged), tmp_path / "damaged")


VALUES = [None, True, -1, 0, 1, 2, 3, 10**9, 10**18, -(2**63), 0.5, 1e308, float("nan"), float("inf")]
VALUES += ["", "a", "relu", "Dense", "float64", "reference", "\0", "../x", "x" * 1000]
VALUES += [[], {}, [[]], [1, 2, 3], {"class": "Dense"}, {"class": "Flatten"}, {"class": "Adam"}, [{"class": "ReLU"}]]


def places(tree, path=()):
    """The way to every value in a description."""
    yield path
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from places(tree[key], (*path, key))


def tampered(header, rng):
    """A description with one or two values exchanged for others, left out, or written twice."""
    header = copy.deepcopy(header)
    for _ in range(rng.choice([1, 1, 2])):
        part = rng.choice(list(header))
        *way, key = rng.choice([(part, *path) for path in places(header[part])])
        holder = header
        for step in way:
            holder = holder[step]
        match rng.randint(0, 9):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 1 | 2:
                *other, last = rng.choice([path for path in places(header) if path])
                found = header
                for step in (*other, last):
                    found = found[step]
                holder[key] = copy.deepcopy(found)
            case 3 | 4 if isinstance(holder[key], (int, float)):
                holder[key] = rng.choice([holder[key] + 1, holder[key] - 1, 2 * holder[key], not holder[key]])
            case _:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
    return header


def test_a_description_that_was_tampered_with_makes_a_working_model_or_a_checkpoint_error(tmp_path):
    """Four hundred of them, in files whose digests are all in order. Memory stays small, whatever sizes are claimed."""
    with zipfile.ZipFile(tiny().save(tmp_path / "model")) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header, rng, path = json.loads(members.pop(checkpoint.HEADER)), random.Random(0), tmp_path / "tampered"
    made, x = 0, np.random.default_rng(0).random((2, 3, 3, 1), np.float32)
    tracemalloc.start()
    for number in range(400):
        with zipfile.ZipFile(path, "w") as archive:
            archive.comment = bytes(checkpoint.SEAL)
            archive.writestr(checkpoint.HEADER, json.dumps(tampered(header, rng)))
            for name, content in members.items():
                archive.writestr(name, content)
        with open(path, "r+b") as file:
            checkpoint.seal(file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = mc.load(path)
        except CheckpointError as error:
            assert str(error).startswith(f"{path}: "), number
        else:
            made += 1
            with contextlib.suppress(
                mc.errors.MinicaeError
            ):  # its images may have another shape, its optimizer no sense
                assert np.isfinite(model.predict(x)).all(), number
                model.fit(x, epochs=1, verbose=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24 and 20 < made < 380
