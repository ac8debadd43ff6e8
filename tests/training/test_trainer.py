"""fit: what it takes, what it refuses, what it reports, and what it does when numbers explode."""

import copy
import pickle
import threading

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DataError, MinicaeError, SettingError, ShapeError
from minicae.losses import BinaryCrossEntropy, MeanSquaredError
from minicae.optimizers import SGD, Adam


def model(loss="mse", optimizer="adam", units=4, **options):
    built = mc.Sequential([L.Dense(3, "tanh"), L.Dense(units)], 4, **options)
    built.compile(loss, optimizer)
    return built


def vectors(n=20, seed=0):
    return np.random.default_rng(seed).random((n, 4), np.float32)


def weights_after(x, y=None, **options):
    m = model()
    m.fit(x, y, epochs=2, batch_size=6, verbose=0, **options)
    return np.concatenate([w.ravel() for w in m.get_weights()])


def test_every_kind_of_array_trains_the_same(tmp_path):
    x = vectors()
    np.save(tmp_path / "x.npy", x)
    x.tofile(tmp_path / "x.raw")
    readonly = x.copy()
    readonly.flags.writeable = False
    want = weights_after(x)
    for same in (
        x.tolist(),
        x.astype(np.float64),
        x.astype(">f4"),
        np.asfortranarray(x),
        np.repeat(x, 2, 0)[::2],
        readonly,
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        np.memmap(tmp_path / "x.raw", np.float32, "r", shape=x.shape),
        [row for row in x],  # noqa: C416
    ):
        assert np.array_equal(weights_after(same), want)
        assert np.array_equal(weights_after(x, same), want)


def test_integers_and_booleans_are_converted_by_value():
    x = np.random.default_rng(0).integers(0, 2, (20, 4))
    want = weights_after(x.astype(np.float32))
    for kind in ("int8", "int64", "uint16", "bool", "float16", ">i4"):
        assert np.array_equal(weights_after(x.astype(kind)), want), kind


REFUSED = {  # {0} is the name of the array
    "uint8": (np.zeros((4, 4), np.uint8), r"{0} is uint8, 0 to 255: give {0}.astype\('float32'\) / 255"),
    "complex": (np.zeros((4, 4), complex), "{0} has dtype complex128"),
    "object": (np.full((4, 4), None), "{0} has dtype object"),
    "text": (np.full((4, 4), "a"), "{0} has dtype <U1"),
    "dates": (np.zeros((4, 4), "datetime64[s]"), "{0} has dtype datetime64"),
    "masked": (np.ma.masked_less(vectors(4), 0.5), r"{0} is a masked array: fill it first"),
    "ragged": ([[1.0, 2.0], [3.0]], "{0} is no array"),
    "one sample": (np.zeros(4), r"{0} has the shape \(4,\), the model wants \(N, 4\): give {0}\[None\]"),
    "too wide": (np.zeros((4, 5)), r"{0} has the shape \(4, 5\), the model wants \(N, 4\)"),
    "too deep": (np.zeros((4, 4, 1)), r"{0} has the shape \(4, 4, 1\)"),
    "a number": (3.0, r"{0} has the shape \(\)"),
    "NaN": (np.array([[0, 1, 2, 3]] * 3 + [[0, np.nan, np.inf, 1]]), r"{0} holds 2 values .* first at \(3, 1\)"),
}


@pytest.mark.parametrize("split", [0.0, 0.5])
@pytest.mark.parametrize("bad, message", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_before_training(bad, message, split):
    m = model()
    before = m.get_weights()
    for name, arrays in {"x": (bad,), "y": (vectors(4), bad)}.items():
        with pytest.raises(MinicaeError, match="^" + message.format(name)):
            m.fit(*arrays, validation_split=split, verbose=0)
    for name, arrays in {"validation x": bad, "validation y": (vectors(4), bad)}.items():
        with pytest.raises(MinicaeError, match="^" + message.format(name)):
            m.fit(vectors(4), validation_data=arrays if name[-1] == "y" else (bad, None), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))


def test_no_samples_are_refused():
    for verb in ("fit", "evaluate", "train_on_batch"):
        with pytest.raises(DataError, match="x is empty"):
            getattr(model(), verb)(np.zeros((0, 4)))
    with pytest.raises(DataError, match="validation x is empty"):
        model().fit(vectors(), validation_data=np.zeros((0, 4)))
    with pytest.raises(ShapeError, match="x has 20 samples and y has 0"):
        model().fit(vectors(), np.zeros((0, 4)))
    with pytest.raises(MinicaeError, match="dtype object"):
        model().fit(None)


def test_sparse_matrices_are_refused():
    class Sparse:
        def toarray(self):
            return np.zeros((3, 4))

    for split in (0.0, 0.3):
        with pytest.raises(DataError, match=r"sparse matrix: give x.toarray\(\)"):
            model().fit(Sparse(), validation_split=split)


def test_images_without_a_channel_axis_get_the_remedy():
    m = mc.Sequential([L.Conv2D(1, 3)], (5, 5, 1))
    m.compile()
    with pytest.raises(ShapeError, match=r"give x\[\.\.\., None\]"):
        m.fit(np.zeros((3, 5, 5)))


def test_nothing_is_broadcast():
    m = model(units=1)
    with pytest.raises(ShapeError, match=r"y has the shape \(20,\), the model wants \(N, 1\): give y\[\.\.\., None\]"):
        m.fit(vectors(), np.zeros(20))
    with pytest.raises(ShapeError, match="x has 20 samples and y has 19"):
        m.fit(vectors(), np.zeros((19, 1)))
    with pytest.raises(ShapeError, match="so x cannot be its own target"):
        m.fit(vectors())
    with pytest.raises(ShapeError, match="same shape"):
        MeanSquaredError()(np.zeros((4, 1)), np.zeros(4))


@pytest.mark.parametrize("bad", [-0.01, 1.01, np.inf])
def test_cross_entropy_refuses_targets_outside_0_1(bad):
    x = vectors()
    y = x.copy()
    y[3, 1] = bad
    for loss in ("bce", "bce_logits"):
        with pytest.raises(DataError, match="0..1|not finite"):
            model(loss).fit(x, y, verbose=0)
        with pytest.raises(DataError, match="0..1|not finite"):
            model(loss).fit(x, validation_data=(x, y), verbose=0)
    with pytest.raises(DataError, match="needs targets in 0..1, got 0 to 3"):
        BinaryCrossEntropy()(np.full((1, 2), 0.5), np.array([[0.0, 3.0]]))


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": -1},
        {"epochs": 2.5},
        {"batch_size": 0},
        {"batch_size": None},
        {"validation_split": 1.0},
        {"validation_split": -0.1},
        {"validation_split": "0.1"},
        {"validation_split": 0.01},
        {"validation_data": (1, 2, 3)},
        {"callbacks": ["EarlyStopping"]},
        {"callbacks": print},
    ],
)
def test_arguments_that_mean_nothing(options):
    m = model()
    with pytest.raises(MinicaeError):
        m.fit(vectors(), **({"verbose": 0} | options))
    assert m.fit(vectors(), epochs=1, verbose=0).epoch == [1]  # the model is as usable as before


def test_history_and_the_parts_of_the_loss():
    m = mc.Sequential([L.Dense(3, "sigmoid"), L.KLSparsity(0.1), L.Dense(4)], 4)
    m.compile("mse", "adam", metrics=["mae"])
    history = m.fit(vectors(), epochs=3, batch_size=8, validation_data=vectors(7, 1), verbose=0)
    logs = history.history
    assert set(logs) == {
        *("loss", "reconstruction", "penalty", "mae", "learning_rate", "seconds"),
        *("val_loss", "val_reconstruction", "val_penalty", "val_mae"),
    }
    assert all(len(values) == 3 for values in logs.values()) and history.epoch == [1, 2, 3]
    for prefix in ("", "val_"):
        for k in range(3):
            assert np.isclose(
                logs[prefix + "loss"][k], logs[prefix + "reconstruction"][k] + logs[prefix + "penalty"][k]
            )
            assert logs[prefix + "penalty"][k] > 0
    assert logs["val_loss"][-1] == m.evaluate(vectors(7, 1), batch_size=8)
    assert m.fit(vectors(), epochs=1, verbose=0).epoch == [4]
    assert repr(history).startswith("History(3 epochs, loss")


def test_the_loss_of_an_epoch_weighs_a_small_last_batch_by_its_size():
    m = model(optimizer=SGD(0.0))
    history = m.fit(vectors(), epochs=1, batch_size=7, verbose=0)
    assert np.isclose(history.history["loss"][0], m.evaluate(vectors()), rtol=1e-6)


def test_validation_split_takes_the_end():
    x = vectors()
    m, other = model(), model()
    history = m.fit(x, epochs=2, batch_size=6, validation_split=0.25, verbose=0)
    wanted = other.fit(x[:15], epochs=2, batch_size=6, validation_data=x[15:], verbose=0)
    assert history.history["val_loss"] == wanted.history["val_loss"] and history.baseline == wanted.baseline


@pytest.mark.parametrize("loss", ["mse", "mae", "bce", "bce_logits", "MeanSquaredError('per_image')"])
def test_the_baseline_is_the_loss_of_the_mean_image(loss, backend):
    loss = MeanSquaredError("per_image") if "(" in loss else loss
    m = model(loss, backend=backend.__name__.split(".")[-1])
    x, y = vectors(), vectors(seed=1)
    mean = y.astype(float).mean(0)
    entropy = -(y * np.log(mean) + (1 - y) * np.log(1 - mean)).mean()
    wanted = {"mse": np.square(y - mean).mean(), "mae": np.abs(y - mean).mean(), "bce": entropy, "bce_logits": entropy}
    wanted = wanted[loss] if isinstance(loss, str) else 4 * wanted["mse"]
    assert np.isclose(m.fit(x, y, epochs=0, verbose=0).baseline, wanted, rtol=1e-5)


def test_a_collapsed_model_announces_itself(capsys):
    m = mc.Sequential([L.Dense(4, "relu", bias_initializer="zeros", kernel_initializer="zeros")], 4)
    m.compile("mse", SGD(1e-9))
    with pytest.warns(UserWarning, match="dead units: 4 of 4"):
        m.fit(vectors(), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch 1/2  loss ") and "(mean image " in lines[0]
    assert "the model has collapsed" in lines[1]
    assert len(lines) == 3 and lines[2].startswith("epoch 2/2")
    model(optimizer=Adam(0.05)).fit(vectors(2000)[:, :1] * [1, 2, 3, 4], epochs=1, batch_size=4, verbose=2)
    assert "collapsed" not in capsys.readouterr().out


@pytest.mark.parametrize("bad", [None, "no", 3, -1])
def test_a_verbosity_or_a_shuffling_that_means_nothing(bad):
    with pytest.raises(SettingError, match="shuffle must be True or False"):
        model().fit(vectors(), shuffle=bad, verbose=0)
    with pytest.raises(SettingError, match="verbose must be 0, 1 or 2"):
        model().fit(vectors(), verbose=bad)


def test_verbose_0_is_silent(capsys):
    model().fit(vectors(), epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_second_fit_of_the_same_model_is_refused():
    m, entered, release = model(), threading.Event(), threading.Event()

    def wait():
        entered.set()
        release.wait(30)

    callback = mc.callbacks.LambdaCallback(on_train_begin=wait)
    thread = threading.Thread(
        target=m.fit, args=(vectors(),), kwargs={"epochs": 1, "verbose": 0, "callbacks": [callback]}
    )
    thread.start()
    assert entered.wait(30)
    with pytest.raises(SettingError, match="being fitted already"):
        m.fit(vectors(), verbose=0)
    release.set()
    thread.join()
    m.fit(vectors(), epochs=1, verbose=0)
    assert m.epochs == 2


@pytest.mark.parametrize("n, batch_size, accumulate", [(24, 4, 3), (25, 4, 3), (23, 5, 2), (7, 2, 9)])
def test_accumulated_batches_are_one_batch(n, batch_size, accumulate):
    def trained(**options):
        m = mc.Autoencoder([L.Dense(3, "tanh"), L.L1Penalty(0.1)], [L.Dense(4)], 4, dtype="float64")
        m.compile("mse", Adam(0.01))
        h = m.fit(vectors(n), epochs=3, verbose=0, **options).history
        return np.concatenate([w.ravel() for w in m.get_weights()]), h["loss"], m.optimizer.steps

    parts = trained(batch_size=batch_size, accumulate=accumulate)
    whole = trained(batch_size=batch_size * accumulate)
    assert np.allclose(parts[0], whole[0], rtol=1e-9, atol=1e-12) and np.allclose(parts[1], whole[1], rtol=1e-9)
    assert parts[2] == whole[2] == 3 * -(-n // (batch_size * accumulate))


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2", None, True])
def test_accumulation_that_means_nothing(bad):
    with pytest.raises(SettingError, match="accumulate must be"):
        model().fit(vectors(), accumulate=bad, verbose=0)


def test_a_bad_batch_among_accumulated_ones_stops_training():
    m = model(optimizer=SGD(0.1))
    x = vectors(24)
    x[13] = np.inf
    before = m.get_weights()
    with pytest.raises(MinicaeError, match="step 4"):
        m.fit(x, batch_size=4, accumulate=6, shuffle=False, allow_nonfinite=True, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))
    fresh = model(optimizer=SGD(0.1))
    for each in (fresh, m):  # nothing of the batches before it is left
        each.fit(vectors(), batch_size=5, accumulate=2, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(fresh.get_weights(), m.get_weights()))


def test_scores_can_be_copied_and_pickled():
    scores = model().evaluate(vectors())
    for again in (copy.deepcopy(scores), pickle.loads(pickle.dumps(scores))):
        assert again == scores and again.parts == scores.parts and repr(again) == repr(scores)
