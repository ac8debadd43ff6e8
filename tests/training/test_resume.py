"""A training that was saved, at whatever update, goes on in another process or model as if it had never stopped."""

import hashlib
import os
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest

import minicae as mc
from minicae import callbacks as C
from minicae import layers as L
from minicae import optimizers, schedules
from minicae.errors import CheckpointError, DataError, DivergedError, SettingError
from minicae.training import checkpoint

ROOT = pathlib.Path(__file__).parents[2]
IMAGES = np.random.default_rng(0).random((46, 6, 6, 1), np.float32)
EPOCHS = 4


def network(seed=3, units=5, **options):
    encoder = [L.GaussianNoise(0.1), L.Conv2D(3, 3, activation="relu"), L.BatchNormalization(), L.Dropout(0.2)]
    encoder += [L.Flatten(), L.Dense(2 * units), L.GaussianSampling(0.01)]
    decoder = [L.Dense(36, "sigmoid"), L.Reshape((6, 6, 1))]
    model = mc.Autoencoder(encoder, decoder, (6, 6, 1), seed=seed, **options)
    rate = schedules.WarmUp(schedules.CosineDecay(0.01, 30), 5)
    model.compile("bce", optimizers.Nadam(rate, clip_norm=0.5), metrics=["mse"])
    return model


def callbacks(path, *, steps=None, name="{step}"):
    return [
        C.EarlyStopping("loss", 2, restore_best_weights=True),
        C.BetaWarmup(3),
        C.ModelCheckpoint(path / "best", "val_loss", save_best_only=True),
        C.CSVLogger(path / "log.csv"),
        C.ModelCheckpoint(path / name, steps=steps),
    ]


def fit(model, told, **options):
    settings = {"epochs": EPOCHS, "batch_size": 7, "validation_split": 0.2, "accumulate": 2, "verbose": 0}
    return model.fit(IMAGES, callbacks=told, **settings | options)


def everything(model, history):
    """All that must agree, as text: bits of weights, statistics, moments, random streams; the history without its clock."""
    arrays = [*model.get_weights(), *(array for leaf in model.leaves() for array in leaf.states.values())]
    arrays += [model.optimizer.state[name] for name in sorted(model.optimizer.state)]
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    streams = [model.rng.bit_generator.state, *(leaf.rng.bit_generator.state for leaf in model.leaves() if leaf.random)]
    told = {key: values for key, values in history.history.items() if key != "seconds"}
    return repr((digest, streams, told, history.epoch, history.baseline, model.epochs, model.optimizer.steps))


def logged(path):
    """The CSV log without its clock."""
    return [row.rsplit(",", 1)[0] for row in (path / "log.csv").read_text().splitlines()]


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    """(what the training comes to, its folder): a file for every update, and one for every epoch."""
    folder = tmp_path_factory.mktemp("whole")
    model = network()
    return everything(model, fit(model, callbacks(folder, steps=1))), folder


def test_there_is_a_file_for_every_update(never_stopped):
    updates = EPOCHS * 3  # 37 images to train on, 6 batches of 7 at most, two to an update
    assert sorted(path.name for path in never_stopped[1].glob("0*")) == [f"{k:06d}" for k in range(1, updates + 1)]


@pytest.mark.parametrize("step", range(1, EPOCHS * 3 + 1))
def test_resumed_at_any_update(never_stopped, tmp_path, step):
    whole, folder = never_stopped
    (tmp_path / "log.csv").write_text((folder / "log.csv").read_text())
    model = network(seed=99)  # other weights, other streams: all that matters comes from the file
    history = fit(model, callbacks(tmp_path, steps=1), resume=folder / f"{step:06d}")
    assert everything(model, history) == whole
    assert logged(tmp_path) == logged(folder)
    assert mc.load(folder / f"{step:06d}").optimizer.steps == step


def test_resumed_in_another_process_with_other_threads(never_stopped, tmp_path):
    whole, folder = never_stopped
    step = random.Random(0).randrange(1, EPOCHS * 3)
    program = f"""
import pathlib, sys
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
import test_resume as t
model = t.network(seed=99)
print(t.everything(model, t.fit(model, t.callbacks(pathlib.Path({str(tmp_path)!r})), resume={str(folder / f"{step:06d}")!r})))
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == whole


def test_more_epochs_from_a_finished_training(tmp_path):
    def told(path):
        return [C.BetaWarmup(3), C.ModelCheckpoint(path / "model")]

    (tmp_path / "a").mkdir()
    long, short = network(), network()
    whole = everything(long, fit(long, told(tmp_path / "a"), epochs=5))
    fit(short, told(tmp_path), epochs=2)
    again = network(seed=99)
    assert everything(again, fit(again, told(tmp_path), epochs=5, resume=tmp_path / "model")) == whole
    assert again.epochs == 5


def test_an_early_stop_stays_a_stop(tmp_path):
    def told(path):
        return [C.EarlyStopping("never", 1, restore_best_weights=True), C.ModelCheckpoint(path / "{epoch}")]

    class Worse(C.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["never"] = float(epoch)

    model = network()
    whole = everything(model, fit(model, [Worse(), *told(tmp_path)], epochs=9))
    assert model.epochs == 2
    for epoch in (1, 2):
        again = network(seed=99)
        history = fit(again, [Worse(), *told(tmp_path / "again")], epochs=9, resume=tmp_path / f"{epoch:04d}")
        assert everything(again, history) == whole


REFUSED = {
    "samples": (lambda: network(), {"validation_split": 0.5}, "had samples=37, this one has 23"),
    "batch_size": (lambda: network(), {"batch_size": 8}, "had batch_size=7, this one has 8"),
    "accumulate": (lambda: network(), {"accumulate": 1}, "had accumulate=2, this one has 1"),
    "shuffle": (lambda: network(), {"shuffle": False}, "had shuffle=True, this one has False"),
    "model": (lambda: network(units=4), {}, r"another model .* encoder is .*'units': 10.* there, .*'units': 8.* here"),
    "dtype": (lambda: network(dtype="float64"), {}, "another model .* dtype is float32 there, float64 here"),
}


@pytest.mark.parametrize("make, options, message", REFUSED.values(), ids=REFUSED)
def test_another_training_is_refused_and_nothing_is_changed(never_stopped, tmp_path, make, options, message):
    model = make()
    before = everything(model, mc.zoo.basic().fit(np.ones((4, 3)), epochs=0, verbose=0))
    with pytest.raises((SettingError, CheckpointError), match=message):
        fit(model, callbacks(tmp_path, steps=1), resume=never_stopped[1] / "000005", **options)
    assert everything(model, mc.zoo.basic().fit(np.ones((4, 3)), epochs=0, verbose=0)) == before
    assert not model.trainer.fitting


def test_other_callbacks_optimizers_and_losses_are_refused(never_stopped, tmp_path):
    file = never_stopped[1] / "000005"
    with pytest.raises(SettingError, match="had the callbacks DeadUnits, _Collapse, EarlyStopping, BetaWarmup"):
        fit(network(), [], resume=file)
    for compiled, message in (
        (("bce", "adam"), "was trained with the optimizer .*'Nadam'.* is compiled with .*'Adam'"),
        (("mse", optimizers.Nadam(clip_norm=0.5)), "was trained with the loss .*Binary.* is compiled with .*Mean"),
    ):
        model = network()
        model.compile(*compiled)
        with pytest.raises(SettingError, match=message):
            fit(model, callbacks(tmp_path), resume=file)


def test_files_that_hold_no_training(tmp_path):
    model = network()
    with pytest.raises(SettingError, match="holds no training that could go on: load it with minicae.load, then fit"):
        fit(model, [], resume=model.save(tmp_path / "model"))
    with pytest.raises(CheckpointError, match="no such file"):
        fit(model, [], resume=tmp_path / "nothing")


def test_bad_data_is_refused_before_anything_is_restored(never_stopped, tmp_path):
    model = network()
    before = model.get_weights()
    with pytest.raises(DataError, match="not finite"):
        model.fit(np.full((46, 6, 6, 1), np.nan), resume=never_stopped[1] / "000005", verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before))


def test_the_history_comes_back_with_the_model(tmp_path):
    model = network()
    history = fit(model, [C.ModelCheckpoint(tmp_path / "during")])
    again, during = mc.load(model.save(tmp_path / "after")), mc.load(tmp_path / "during")
    assert again.history.history == history.history == during.history.history
    assert again.history.epoch == [1, 2, 3, 4] and again.history.baseline == history.baseline
    assert network().history is None


class Keeps(C.Callback):
    """Remembers what it is given."""

    def __init__(self, kept):
        self.kept = kept

    def state(self):
        return self.kept

    def restore(self, state):
        self.kept = state


def small(told, resume=None, rate=0.1, model=None, **options):
    model = model or mc.Sequential([L.Dense(2)], 2, backend="reference")
    model.compile("mse", optimizers.SGD(rate), options.pop("metrics", ()))
    x = np.random.default_rng(0).random((6, 2))
    model.fit(x, callbacks=told, resume=resume, verbose=0, **{"epochs": 2, "batch_size": 2} | options)
    return model


def test_what_callbacks_of_your_own_remember_comes_back_by_value(tmp_path):
    kept = {
        "big": np.arange(3, dtype=">f4"),
        "half": np.ones(2, "float16"),
        "none": np.zeros((0, 3)),
        "one": np.array(3.5),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "flags": np.array([True, False]),
        **{"number": np.float32(1.5), "count": np.int64(3), "said": np.bool_(True), "text": "\u00e4", "nothing": None},
    }
    small([Keeps(kept), C.ModelCheckpoint(tmp_path / "m")])
    again = Keeps({})
    small([again, C.ModelCheckpoint(tmp_path / "m")], resume=tmp_path / "m")
    assert again.kept.keys() == kept.keys()
    for name, value in kept.items():
        assert np.array_equal(again.kept[name], value) and np.shape(again.kept[name]) == np.shape(value)
    assert again.kept["half"].dtype == np.float16 and again.kept["flags"].dtype == bool


@pytest.mark.parametrize(
    "kept, message",
    [
        (None, "must give a dict with texts as its keys, got None"),
        ({1: 2}, "must give a dict with texts as its keys, got {1: 2}"),
        ({"a": {1, 2}}, r"Keeps.state\(\)\['a'\] must be a number, .* or an array, got {1, 2}"),
        ({"a": [np.ones(2)]}, "must be a number, .* or an array"),
        ({"a": np.array(["x"])}, "must be an array of plain numbers"),
        ({"a": np.array([None])}, "must be an array of plain numbers"),
        ({"a": np.ones(2) * 1j}, "must be an array of plain numbers"),
        ({"a": np.ma.array([1, 2], mask=[0, 1])}, "must be an array of plain numbers"),
    ],
)
def test_what_a_file_cannot_keep_is_refused_when_it_is_saved(tmp_path, kept, message):
    with pytest.raises(SettingError, match=message):
        small([Keeps(kept), C.ModelCheckpoint(tmp_path / "m")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "step, options, message",
    [
        (1, {"metrics": ["mae", "psnr"]}, r"had metrics=\['mae'\], this one has \['mae', 'psnr'\]"),
        (4, {"metrics": []}, r"had metrics=\['mae'\], this one has \[\]"),
        (4, {"validation_data": None}, "had validation data=True, this one has False"),
        (3, {"epochs": 0}, "the saved training is in epoch 1, and epochs=0 is fewer"),
        (4, {"epochs": 1}, "the saved training is in epoch 2, and epochs=1 is fewer"),
    ],
)
def test_what_would_tear_the_history_apart_is_refused(tmp_path, step, options, message):
    usual = {"metrics": ["mae"], "validation_data": np.ones((1, 2))}
    small([C.ModelCheckpoint(tmp_path / "{step}", steps=1)], **usual)
    with pytest.raises(SettingError, match=message):
        small([C.ModelCheckpoint(tmp_path / "{step}", steps=1)], tmp_path / f"{step:06d}", **usual | options)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_file_saved_in_a_step_that_failed_is_a_model_and_no_training(tmp_path):
    class Save(C.Callback):
        def on_train_end(self):
            self.model.save(tmp_path / "m")

    with pytest.raises(DivergedError):
        small([Save()], rate=1e200, accumulate=2, epochs=9)
    assert np.isfinite(mc.load(tmp_path / "m").get_weights()[0]).all()
    with pytest.raises(SettingError, match="holds no training that could go on"):
        small([Save()], resume=tmp_path / "m")


@pytest.mark.parametrize(
    "place, value",
    [
        *((("progress", name), "x") for name in ("epoch", "batch", "seen", "sums", "late", "watched", "seconds")),
        *(
            (("progress", name), None)
            for name in ("epoch", "sums", "late", "watched", "history", "callbacks", "stopped")
        ),
        (("progress", "epoch"), -5),
        (("progress", "batch"), 2.5),
        (("progress", "batch"), 4),
        (("progress", "order"), {"a": 1}),
        (("progress", "history"), {"baseline": 1, "history": {"loss": [1.0]}, "epoch": []}),
        (("progress", "history"), {"baseline": 1, "history": 3, "epoch": []}),
        (("progress",), 5),
        (("training",), None),
        (("training", "steps"), -1),
        (("streams",), {}),
        (("streams", "model"), {"a": 1}),
        (("epochs",), "x"),
    ],
    ids=str,
)
def test_a_training_that_was_tampered_with_is_refused_and_nothing_is_changed(tmp_path, place, value):
    small([C.ModelCheckpoint(tmp_path / "m{step}", steps=1)])
    header, tensors = checkpoint.read(tmp_path / "m000002")
    del header["tensors"]
    inner = header
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    checkpoint.write(tmp_path / "m", header, tensors)
    model = mc.Sequential([L.Dense(2)], 2, seed=4, backend="reference")
    before = model.get_weights(), model.rng.bit_generator.state
    with pytest.raises(CheckpointError, match=f"^{tmp_path}/m: "):
        small([C.ModelCheckpoint(tmp_path / "other", steps=1)], tmp_path / "m", model=model)
    assert np.array_equal(model.get_weights()[0], before[0][0]) and model.rng.bit_generator.state == before[1]
    assert model.epochs == 0 and not model.trainer.fitting


def test_learning_rates_of_numpy_can_be_saved(tmp_path):
    class Slower(C.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.optimizer.learning_rate *= np.float32(0.5)

    whole = small([Slower(), C.ModelCheckpoint(tmp_path / "a{step}", steps=1)])
    again = small([Slower(), C.ModelCheckpoint(tmp_path / "b{step}", steps=1)], resume=tmp_path / "a000003")
    assert everything(again, again.history) == everything(whole, whole.history)


def test_rows_of_other_trainings_stay_in_a_log_that_is_gone_on_with(tmp_path):
    def told():
        return [C.CSVLogger(tmp_path / "log.csv", append=True), C.ModelCheckpoint(tmp_path / "m")]

    small(told()[:1], epochs=4)
    small(told(), epochs=2)
    small(told(), epochs=3, resume=tmp_path / "m")
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3", "4", "1", "2", "3"]


def test_a_log_that_lost_rows_is_told_of(tmp_path):
    def told():
        return [C.CSVLogger(tmp_path / "log.csv"), C.ModelCheckpoint(tmp_path / "m")]

    small(told())
    (tmp_path / "log.csv").unlink()
    with pytest.warns(UserWarning, match="log.csv holds 0 of the 2 rows"):
        small(told(), epochs=3, resume=tmp_path / "m")
    assert [row.split(",")[0] for row in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", "3"]
