"""A saved model comes back as it was, to the bit, also where training goes on; a damaged file never does anything else than
raise CheckpointError."""

import hashlib
import json
import os
import zipfile

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import optimizers, schedules
from minicae.errors import CheckpointError, SettingError
from minicae.training import checkpoint


def everything(optimizer="adam", dtype="float32", backend="cpu"):
    """A model with noise, states, a penalty and a schedule."""
    encoder = [L.GaussianNoise(0.1), L.Conv2D(2, (3, 2), padding=(1, 1, 0, 1), activation="elu"), L.MaxPooling2D(2)]
    encoder += [L.Flatten(), L.Dense(6), L.BatchNormalization(), L.Dropout(0.2), L.L1Penalty(0.01)]
    decoder = [L.Dense(12, "relu"), L.Reshape((2, 3, 2)), L.UpSampling2D(2), L.Conv2D(1, 3)]
    ae = mc.Autoencoder(encoder, decoder, (4, 6, 1), seed=5, dtype=dtype, backend=backend)
    ae.compile("bce_logits", optimizer, metrics=["mse", "psnr"])
    return ae


def images(n=24, seed=0):
    return np.random.default_rng(seed).random((n, 4, 6, 1), np.float32)


def fit(model, epochs=2):
    return model.fit(images(), epochs=epochs, batch_size=7, validation_split=0.2, verbose=0).history


def bits(model):
    arrays = [*model.get_weights(), *(array for leaf in model.leaves() for array in leaf.states.values())]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


OPTIMIZERS = ["sgd", "rmsprop", "adam", "adamw", "nadam", "SGD(0.1, 0.9, True)", "Adam(CosineDecay(0.01, 20))"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_now_and_after_more_training(tmp_path, optimizer, dtype):
    if "(" in optimizer:
        optimizer = eval(optimizer, vars(optimizers) | vars(schedules))
    model = everything(optimizer, dtype)
    fit(model)
    again = mc.load(model.save(tmp_path / "model.mcae"))
    assert type(again) is mc.Autoencoder and repr(again) == repr(model) and again.config() == model.config()
    assert repr(again.optimizer) == repr(model.optimizer) and repr(again.loss) == repr(model.loss)
    assert bits(again) == bits(model)
    assert np.array_equal(again.predict(images()), model.predict(images()))
    assert again.evaluate(images()).parts == model.evaluate(images()).parts
    logs, logs_again = fit(model), fit(again)
    assert bits(again) == bits(model)
    del logs["seconds"], logs_again["seconds"]
    assert logs == logs_again
    assert again.epochs == model.epochs == 4


def test_every_layer_comes_back(tmp_path, backend):
    from minicae.inspection import catalogue

    for case in catalogue.cases():
        if case.y is None:
            layers = case.subject.layers if isinstance(case.subject, L.Chain) else [case.subject]
            for layer in layers:
                vars(layer).pop("_held", None)
            model = mc.Sequential(layers, case.x.shape[1:], dtype="float64", backend=backend.__name__.split(".")[-1])
            model.forward(case.x, training=True)
            again = mc.load(model.save(tmp_path / "layer"))
            assert repr(again) == repr(model) and again.trainer is None
            assert np.array_equal(again.forward(case.x, training=True), model.forward(case.x, training=True)), case.name


def test_saving_again_gives_the_same_bytes_and_leaves_nothing_else(tmp_path):
    model, path = everything(), tmp_path / "model.mcae"
    fit(model)
    first = hashlib.sha256(model.save(path).read_bytes()).hexdigest()
    with zipfile.ZipFile(mc.load(path).save(tmp_path / "again")) as again, zipfile.ZipFile(path) as archive:
        assert {name: again.read(name) for name in again.namelist()} == {n: archive.read(n) for n in archive.namelist()}
    assert len(first) == 64 and sorted(os.listdir(tmp_path)) == ["again", "model.mcae"]


def test_numpy_opens_the_arrays_without_minicae(tmp_path):
    model = everything()
    with np.load(model.save(tmp_path / "model.zip"), allow_pickle=False) as arrays:
        assert np.array_equal(arrays["weights/decoder[3].w"], model.get_weights()[-2])


def test_a_failed_save_keeps_the_file_before(tmp_path, monkeypatch):
    model, path = everything(), tmp_path / "model.mcae"
    before = model.save(path).read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        everything("sgd").save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.mcae"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = everything()
    fit(model, 1)
    path = model.save(tmp_path_factory.mktemp("saved") / "model")
    return path.read_bytes(), bits(model)


def outcome(content, path):
    """The bits of the model in a file, or None where it is refused as it should be."""
    path.write_bytes(content)
    try:
        return bits(mc.load(path))
    except CheckpointError as error:
        assert str(path) in str(error)
        return None


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_is_noticed_or_harmless(saved, tmp_path, mask):
    content, want = saved
    places = sorted({*range(0, len(content), 37), *range(120), *range(len(content) - 500, len(content))})
    refused = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= mask
        got = outcome(bytes(damaged), tmp_path / "damaged")
        assert got in (None, want), place
        refused += got is None
    assert refused > 0.7 * len(places)  # what is left: time stamps and such


def test_every_truncation_is_noticed(saved, tmp_path):
    content, _ = saved
    for end in (*range(0, len(content), 97), len(content) - 1, len(content) - 64):
        assert outcome(content[:end], tmp_path / "short") is None, end


@pytest.mark.parametrize("content", [b"", b"x", b"PK", b"\x80\x04N.", b"[]", os.urandom(1000)])
def test_foreign_files(tmp_path, content):
    assert outcome(content, tmp_path / "foreign") is None
    for unnamed in ("", None, 5, "a\0b"):
        with pytest.raises(SettingError, match="path must name a file"):
            mc.load(unnamed)
        with pytest.raises(SettingError, match="path must name a file"):
            mc.zoo.basic().save(unnamed)
    for missing in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(CheckpointError, match="no such file"):
            mc.load(missing)


def test_a_zip_of_something_else(tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match="no model of minicae"):
        mc.load(tmp_path / "arrays.npz")


def crafted(tmp_path, change):
    """A file whose digests are all right and whose description has been tampered with."""
    header, tensors = checkpoint.read(everything().save(tmp_path / "model"))
    header.pop("tensors")
    header.pop("format")
    header.pop("version")
    change(header, tensors)
    return checkpoint.write(tmp_path / "crafted", header, tensors)


def put(value, *keys):
    def change(header, tensors):
        place = header
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def nested(depth):
    layer = {"class": "Flatten"}
    for _ in range(depth):
        layer = {"class": "Chain", "layers": [layer]}
    return layer


CRAFTED = {
    "an unknown class": put("os.system", "model", "class"),
    "a class of another family": put({"class": "Adam"}, "model", "encoder", 1),
    "a loss in the place of a model": put({"class": "MeanSquaredError"}, "model"),
    "an unknown argument": put("rm -rf", "model", "encoder", 1, "command"),
    "a private attribute": put(1, "model", "encoder", 1, "__class__"),
    "an impossible value": put(-3, "model", "encoder", 1, "filters"),
    "a layer larger than the file": put(10**9, "model", "encoder", 4, "units"),
    "a layer larger than any memory": put(10**15, "model", "encoder", 4, "units"),
    "an image larger than any memory": put([10**9, 10**9, 10**9], "model", "input_shape"),
    "no shape": put(None, "model", "input_shape"),
    "text for a shape": put("abc", "model", "input_shape"),
    "layers nested without end": put(nested(300), "model", "encoder", 0),
    "an unknown backend": put("gpu", "model", "backend"),
    "a list for a model": put([], "model"),
    "no streams": put({}, "streams"),
    "a wrong stream": put({"bit_generator": "MT19937"}, "streams", "model"),
    "a number for streams": put(3, "streams"),
    "text for epochs": put("many", "epochs"),
    "negative steps": put(-1, "training", "steps"),
    "an unknown metric": put(["rmse"], "training", "metrics"),
    "text for training": put("yes", "training"),
    "missing weights": lambda header, tensors: tensors.pop("weights/decoder[3].w"),
    "weights of another shape": lambda header, tensors: tensors.update({"weights/decoder[3].b": np.zeros(2, "f4")}),
    "weights of another kind": lambda header, tensors: tensors.update({"weights/decoder[3].b": np.zeros(1, "f8")}),
    "missing states": lambda header, tensors: tensors.pop("states/encoder[5].mean"),
    "moments of another shape": lambda header, tensors: tensors.update({"optimizer/m": np.zeros(3, "f4")}),
}


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED)
def test_a_description_that_lies(tmp_path, change):
    with pytest.raises(CheckpointError, match="crafted"):
        mc.load(crafted(tmp_path, change))


def test_a_crafted_file_that_does_not_lie_is_read(tmp_path):
    assert mc.load(crafted(tmp_path, lambda header, tensors: None)).epochs == 0


def rezipped(path, change, sealed=True):
    """The file at `path`, its description or members changed, and all else in order; unsealed as in version 1."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members[checkpoint.HEADER])
    change(header, members)
    members[checkpoint.HEADER] = text = json.dumps(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = hashlib.sha256(text).hexdigest().encode()
        for name, content in members.items():
            archive.writestr(name, content)
    if sealed:
        with open(path, "r+b") as file:
            checkpoint.seal(file)
    return path


def versioned(version):
    return lambda header, members: header.update(version=version)


def test_files_of_the_first_version_are_read(tmp_path):
    model = everything()
    assert bits(mc.load(rezipped(model.save(tmp_path / "old"), versioned(1), sealed=False))) == bits(model)


@pytest.mark.parametrize("version, sealed", [(0, True), (1, True), (3, True), ("2", True), (None, True), (2, False)])
def test_files_of_other_versions_are_not(tmp_path, version, sealed):
    with pytest.raises(CheckpointError, match="versions 1 to 2 are read here"):
        mc.load(rezipped(everything().save(tmp_path / "new"), versioned(version), sealed))


@pytest.mark.parametrize(
    "described",
    [
        {"shape": [10**15], "dtype": "float32", "sha256": ""},
        {"shape": [-1], "dtype": "float32", "sha256": ""},
        {"shape": ["1"], "dtype": "float32", "sha256": ""},
        {"shape": [1], "dtype": "object", "sha256": ""},
        {"shape": [1], "dtype": "nonsense", "sha256": ""},
        {"shape": [1]},
        [],
    ],
)
def test_a_table_of_tensors_that_lies(tmp_path, described):
    def change(header, members):
        header["tensors"]["weights/decoder[3].b"] = described

    with pytest.raises(CheckpointError):
        mc.load(rezipped(everything().save(tmp_path / "model"), change))


def test_numbers_that_are_not_those_of_their_digest(tmp_path):
    def change(header, members):
        content = bytearray(members["weights/decoder[3].b.npy"])
        content[-1] ^= 1
        members["weights/decoder[3].b.npy"] = bytes(content)

    with pytest.raises(CheckpointError, match=r"weights/decoder\[3\].b does not match its digest"):
        mc.load(rezipped(everything().save(tmp_path / "model"), change))


def test_compressed_bombs_are_refused(tmp_path):
    path = everything().save(tmp_path / "model")
    with zipfile.ZipFile(path) as archive:
        members, comment = {name: archive.read(name) for name in archive.namelist()}, archive.comment
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(name, content + bytes(10**7))
    with pytest.raises(CheckpointError, match="larger than the file"):
        mc.load(path)
