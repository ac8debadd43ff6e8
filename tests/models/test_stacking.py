"""Greedy pretraining: how a model is cut into stages, and that what the stages learn is what the model has."""

import warnings

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import MinicaeError, SettingError
from minicae.models import stacking
from minicae.optimizers import Adam


def dense(**options):
    encoder = [L.Dense(6, "tanh"), L.BatchNormalization(), L.Dropout(0.1), L.Dense(4, "tanh"), L.Dense(2)]
    decoder = [L.Dense(4), L.Tanh(), L.Dense(6), L.BatchNormalization(), L.Tanh(), L.Dense(8)]
    return mc.Autoencoder(encoder, decoder, 8, **options)


def convolutional(**options):
    encoder = [L.MaskingNoise(0.1), L.ZeroPadding2D((0, 1, 0, 1)), L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(2)]
    encoder += [L.Conv2D(5, 3, strides=2, activation="relu"), L.Flatten(), L.Dense(6, "relu"), L.L1Penalty()]
    decoder = [L.Dense(20, "relu"), L.Reshape((2, 2, 5)), L.Conv2DTranspose(4, 3, strides=2, activation="relu")]
    decoder += [L.UpSampling2D(2), L.Conv2D(1, 3, activation="sigmoid"), L.Cropping2D((0, 1, 0, 1))]
    return mc.Autoencoder(encoder, decoder, (7, 7, 1), **options)


def names(pieces):
    return [[type(leaf).__name__ for leaf in piece] for piece in pieces]


def test_stages_of_a_dense_network():
    fronts, backs = zip(*stacking.stages(dense()))
    assert names(fronts) == [["Dense", "BatchNormalization"], ["Dropout", "Dense"], ["Dense"]]
    assert names(backs) == [["Dense"], ["Dense", "BatchNormalization", "Tanh"], ["Dense", "Tanh"]]


def test_stages_of_a_convolutional_network():
    fronts, backs = zip(*stacking.stages(convolutional()))
    assert names(fronts) == [
        ["MaskingNoise", "ZeroPadding2D", "Conv2D", "MaxPooling2D"],
        ["Conv2D", "Flatten"],
        ["Dense", "L1Penalty"],
    ]
    assert names(backs) == [["UpSampling2D", "Conv2D", "Cropping2D"], ["Reshape", "Conv2DTranspose"], ["Dense"]]


def test_every_network_of_the_zoo_has_stages():
    for model in (mc.zoo.basic(), mc.zoo.stacked(), mc.zoo.stacked(tied=True)):
        assert len(stacking.stages(model)) == len(model.encoder.layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(stacking.stages(mc.zoo.convolutional(filters=(2, 3, 4)))) == 3
    assert len(stacking.stages(mc.zoo.convolutional(filters=(2, 3), code=5))) == 3
    x = np.random.default_rng(0).random((20, 8, 8, 1), np.float32)
    for variant in (mc.zoo.denoising, mc.zoo.sparse, mc.zoo.contractive, mc.zoo.variational):
        for kind, widths in ("dense", (9,)), ("convolutional", (2, 3)):
            model = variant(kind, (8, 8, 1), widths, 4)
            assert len(stacking.pretrain(model, x, epochs=1, verbose=0)) == 1 + len(widths)
            model.fit(x, epochs=1, verbose=0)


@pytest.mark.parametrize("network", [dense, convolutional])
def test_the_model_has_what_the_stages_learn(network, backend, monkeypatch):
    model = network(backend=backend.__name__.split(".")[-1])
    model.compile("mse")
    x = np.random.default_rng(0).random((40, *model.input_shape), np.float32)
    before = model.get_weights()
    arrays = [id(entry.value.base) for entry in model.parameters]
    learned, seen, make = [], [], stacking._stage

    def stage_of(*arguments):
        stage, fit = make(*arguments), mc.Sequential.fit

        def watched(x, **options):
            seen.append(x.copy())
            history = fit(stage, x, **options)
            learned.append((arguments[1:], stage.leaves()))
            return history

        stage.fit = watched
        return stage

    monkeypatch.setattr(stacking, "_stage", stage_of)
    histories = stacking.pretrain(model, x, epochs=2, batch_size=8, verbose=0)
    assert len(histories) == len(learned) == 3
    for (front, back), leaves in learned:
        for own, trained in zip([*front, *back], leaves, strict=True):
            for name in (declaration.name for declaration in own.declared):
                assert np.array_equal(getattr(own, name), getattr(trained, name))
            for name, state in own.states.items():
                assert np.array_equal(state, trained.states[name])
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights()) if b.ndim > 1)
    assert [id(entry.value.base) for entry in model.parameters] == arrays
    assert np.array_equal(seen[0], x)
    codes = x
    for (front, _), given in zip((pair for pair, _ in learned), seen):  # each stage saw the codes of the one before
        assert np.allclose(codes, given, rtol=1e-5, atol=1e-6)
        for leaf in front:
            codes = leaf.forward(np.ascontiguousarray(codes)).copy()
    assert np.allclose(codes, model.encode(x), rtol=1e-5, atol=1e-6)


def test_a_stage_begins_with_the_weights_of_the_model(monkeypatch):
    model = dense()
    fixed = [np.full_like(w, 0.1 * place) for place, w in enumerate(model.get_weights())]
    model.set_weights(fixed)
    stacking.pretrain(model, np.ones((4, 8), "f4"), epochs=0, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), fixed))


def test_tied_stages_learn_one_array(backend):
    model = mc.zoo.stacked((6, 4, 2), tied=True, backend=backend.__name__.split(".")[-1])
    x = np.random.default_rng(0).random((50, 6), np.float32)
    stacking.pretrain(model, x, epochs=3, batch_size=10, verbose=0)
    assert [w.shape for w in model.get_weights()] == [(6, 4), (4,), (4, 2), (2,), (4,), (6,)]
    model.fit(x, epochs=1, verbose=0)


def test_pretraining_helps_and_fine_tuning_goes_on():
    """A deep sigmoid network, which learns nothing from scratch in a few epochs."""
    rng = np.random.default_rng(0)
    x = (np.tanh(rng.standard_normal((400, 2)) @ rng.standard_normal((2, 12))) / 2 + 0.5).astype(np.float32)
    results = {}
    for pretrained in (False, True):
        model = mc.zoo.stacked((12, 10, 8, 6, 4), "sigmoid", "linear", seed=1)
        if pretrained:
            stacking.pretrain(model, x, epochs=30, batch_size=20, optimizer=Adam(0.01), verbose=0)
        results[pretrained] = model.fit(x, epochs=5, batch_size=20, verbose=0)
    assert results[True].history["loss"][-1] < 0.7 * results[False].history["loss"][-1]
    assert results[True].history["loss"][-1] < results[True].history["loss"][0]


def test_losses_optimizers_and_what_is_printed(capsys):
    model = convolutional()
    model.compile("bce")
    x = np.random.default_rng(0).random((20, 7, 7, 1), np.float32)
    told = []
    log = mc.callbacks.LambdaCallback(on_train_begin=lambda: told.append(log.model))
    stacking.pretrain(model, x, epochs=1, optimizer=Adam(0.005), callbacks=log)
    assert [repr(stage.loss) for stage in told] == ["BinaryCrossEntropy()", "MeanSquaredError()", "MeanSquaredError()"]
    assert {repr(stage.optimizer) for stage in told} == {"Adam(0.005)"} and model.optimizer.steps == 0
    assert "stage 2 of 3: (4, 4, 4) -> (20,)" in capsys.readouterr().out
    told.clear()
    stacking.pretrain(model, x, epochs=1, loss="mae", callbacks=log, verbose=0)
    assert {repr(stage.loss) for stage in told} == {"MeanAbsoluteError()"} and capsys.readouterr().out == ""


def test_the_same_seed_gives_the_same_bits():
    x = np.random.default_rng(0).random((30, 8), np.float32)
    found = []
    for _ in range(2):
        model = dense(seed=4)
        stacking.pretrain(model, x, epochs=2, verbose=0)
        found.append(model.parameters.values.copy())
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    "encoder, decoder, shape, message",
    [
        ([L.Dense(4), L.Dense(2)], [L.Dense(8)], 8, "they have 1 and 2 layers with weights"),
        ([L.Dense(4), L.Dense(2)], [L.Dense(5), L.Dense(8)], 8, r"stage 1 goes \(8,\) -> \(4,\)"),
        ([L.Conv2D(2, 3), L.Flatten()], [L.Reshape((4, 4, 2)), L.MaxPooling2D(1)], (4, 4, 2), "layers with weights"),
        (
            [L.Conv2D(2, 3), L.MaxPooling2D(2), L.Conv2D(2, 3)],
            [L.UpSampling2D(2), L.Conv2D(2, 3), L.Conv2D(1, 3)],
            (4, 4, 1),
            r"stage 1 goes .* by encoder\[0\] to encoder\[1\]",
        ),
    ],
)
def test_decoders_that_are_no_mirror(encoder, decoder, shape, message):
    model = mc.Autoencoder(encoder, decoder, shape)
    before = model.get_weights()
    with pytest.raises(SettingError, match=message) as caught:
        stacking.pretrain(model, np.ones((4, *model.input_shape), "f4"), verbose=0)
    assert "\n" not in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_each_stage_writes_files_of_its_own(tmp_path):
    x = np.random.default_rng(0).random((20, 8), np.float32)
    log, keep = mc.callbacks.CSVLogger(tmp_path / "log.csv"), mc.callbacks.ModelCheckpoint(str(tmp_path / "model"))
    histories = stacking.pretrain(dense(), x, epochs=2, callbacks=[log, keep], verbose=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("log-1.csv", "log-2.csv", "log-3.csv", "model-1", "model-2", "model-3")
    ]
    for number, history in enumerate(histories, 1):
        rows = (tmp_path / f"log-{number}.csv").read_text().splitlines()
        assert [float(row.split(",")[1]) for row in rows[1:]] == history.history["loss"]
        assert mc.load(tmp_path / f"model-{number}").input_shape == {1: (8,), 2: (6,), 3: (4,)}[number]
    assert log.path == tmp_path / "log.csv"


def test_warming_up_is_for_the_whole_model():
    model = mc.zoo.variational(input_shape=8, widths=(5,), code=2)
    before = model.get_weights()
    with pytest.raises(SettingError, match="not for pretrain.*: give it to model.fit"):
        stacking.pretrain(model, np.ones((4, 8), "f4"), callbacks=mc.callbacks.BetaWarmup(2), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_other_misuse():
    x = np.ones((4, 8), "f4")
    for model in (None, mc.Sequential([L.Dense(8)], 8)):
        with pytest.raises(SettingError, match="takes an Autoencoder"):
            stacking.pretrain(model, x)
    for options in ({"loss": "l3"}, {"optimizer": "adamax"}, {"epochs": -1}, {"batch_size": 0}):
        with pytest.raises(MinicaeError):
            stacking.pretrain(dense(), x, verbose=0, **options)
    with pytest.raises(MinicaeError, match="wants"):
        stacking.pretrain(dense(), x[:, :5], verbose=0)
    conditional = mc.Autoencoder(
        [L.SplitLabels(), L.Dense(4), L.Dense(2), L.AppendLabels(3)], [L.Dense(4), L.Dense(8)], 9
    )
    with pytest.raises(SettingError):
        stacking.pretrain(conditional, mc.conditioned(x, [0] * 4), verbose=0)
    unbuilt = mc.Autoencoder([L.Dense(2)], [L.Dense(8)])
    with pytest.raises(SettingError):
        stacking.pretrain(unbuilt, x, verbose=0)


def test_noise_of_ones_own_belongs_to_the_stage_behind_it():
    class Speckle(L.Layer):
        random = True

        def build(self, input_shape):
            return input_shape

        def forward(self, x, training=False):
            return x * (1 + 0.1 * self.rng.standard_normal(x.shape).astype(x.dtype)) if training else x

        def backward(self, dy):
            return dy

    model = mc.Autoencoder([L.Dense(4, "tanh"), Speckle(), L.Dense(2)], [L.Dense(4, "tanh"), L.Dense(6)], 6)
    fronts = [[type(leaf).__name__ for leaf in front] for front, _ in mc.stacking.stages(model)]
    assert fronts == [["Dense"], ["Speckle", "Dense"]]
