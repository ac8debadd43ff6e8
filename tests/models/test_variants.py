"""Every variant, dense and convolutional, with what may stand beside it: gradients of the whole objective, and training."""

import warnings

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae.errors import DataError, SettingError

HEADS = {  # what ends the encoder: a code of 4 numbers
    "plain": lambda: [L.Dense(4, "tanh")],
    "sparse l1": lambda: [L.Dense(4, "tanh"), L.L1Penalty(0.1)],
    "sparse kl": lambda: [L.Dense(4, "sigmoid"), L.KLSparsity(0.1, 0.2)],
    "contractive": lambda: [L.Dense(4, "sigmoid"), L.ContractivePenalty(0.1)],
    "contractive encoder": lambda: [L.Dense(4, "sigmoid"), L.ContractivePenalty(0.1, "finite_difference", 0.1)],
    "variational": lambda: [L.Dense(8), L.GaussianSampling(0.5)],
    "all": lambda: [
        *(L.Dense(8, "tanh"), L.ContractivePenalty(0.1), L.ContractivePenalty(0.1, "finite_difference")),
        *(L.L1Penalty(0.01), L.GaussianSampling(0.5), L.L2Penalty(0.01)),
    ],
}
ENTRANCES = {
    "clean": lambda: [],
    "gaussian": lambda: [L.GaussianNoise(0.2)],
    "masking": lambda: [L.MaskingNoise(0.3)],
}
BODIES = {  # (shape, layers in front of the head, decoder)
    "dense": lambda: ((6,), [L.Dense(5, "elu"), L.BatchNormalization(), L.Dropout(0.3)], [L.Dense(5), L.Dense(6)]),
    "tied": lambda: tied(),
    "strided": lambda: (
        (6, 4, 2),
        [L.Conv2D(3, 3, 2, activation="tanh"), L.BatchNormalization(), L.Dropout(0.3), L.Flatten()],
        [L.Dense(18, "tanh"), L.Reshape((3, 2, 3)), L.BatchNormalization(), L.Conv2DTranspose(2, 3, 2)],
    ),
    "pooled": lambda: (
        (6, 4, 1),
        [L.Conv2D(3, 3, activation="tanh"), L.AveragePooling2D(2), L.Flatten()],
        [L.Dense(6), L.Reshape((3, 2, 1)), L.UpSampling2D(2), L.Conv2D(1, 3, activation="sigmoid")],
    ),
}
CONDITIONS = [False, True]


def tied():
    layer = L.Dense(5, "elu")
    return (6,), [layer], [L.Dense(5, "tanh"), L.Tied(layer)]


def network(body, head, entrance="clean", conditional=False, **options):
    shape, front, decoder = BODIES[body]()
    if conditional:
        labels = [L.SplitLabels(), *ENTRANCES[entrance](), L.AppendLabels(3)], [L.AppendLabels(3)]
        shape = (*shape[:-1], shape[-1] + 1)
        encoder = [*labels[0], *front, *HEADS[head](), *labels[1]]
    else:
        encoder = [*ENTRANCES[entrance](), *front, *HEADS[head]()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mc.Autoencoder(encoder, decoder, shape, **options)
    model.compile("bce" if body == "pooled" else "mse", mc.optimizers.Adam(0.02))
    return model


def data(body, n, conditional=False):
    shape, rng = BODIES[body]()[0], np.random.default_rng(0)
    x = 0.2 + 0.6 * rng.random((n, 1)) * rng.random((n, int(np.prod(shape))))
    x = x.reshape(n, *shape)
    return mc.conditioned(x, np.arange(n) % 3) if conditional else x, x


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("body", BODIES)
def test_gradients_of_the_whole_objective(body, head, backend):
    entrance = list(ENTRANCES)[len(head) % 3]
    model = network(body, head, entrance, dtype="float64", backend=backend.__name__.split(".")[-1])
    report = mc.gradcheck(model, *data(body, 3), samples=12)
    assert report.ok, report


@pytest.mark.parametrize("head", ["sparse kl", "contractive encoder", "variational"])
@pytest.mark.parametrize("body", ["dense", "strided"])
def test_gradients_of_conditional_variants(body, head, backend):
    model = network(body, head, "gaussian", True, dtype="float64", backend=backend.__name__.split(".")[-1])
    report = mc.gradcheck(model, *data(body, 3, True), samples=12)
    assert report.ok, report


@pytest.mark.filterwarnings("ignore:posterior collapse")
@pytest.mark.parametrize("conditional", CONDITIONS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("body", BODIES)
def test_the_same_fit_trains_them_all(body, head, conditional, tmp_path):
    model = network(body, head, "masking", conditional and body != "tied")
    x, y = data(body, 60, conditional and body != "tied")
    loss = model.fit(x, y, epochs=6, batch_size=15, verbose=0).history["loss"]
    assert loss[-1] < loss[0]
    assert model.reconstruct(x).shape == y.shape
    again = mc.load(model.save(tmp_path / "model"))
    for one in (model, again):
        one.fit(x, y, epochs=1, batch_size=15, verbose=0)
    assert np.array_equal(model.parameters.values, again.parameters.values)


def test_statistics_of_a_code_by_hand():
    model = mc.Autoencoder([L.Dense(4), L.L1Penalty()], [L.Dense(2)], 2, dtype="float64", backend="reference")
    w = np.array([[1.0, 0.0, -1.0, 0.0005], [0.0, 0.0, 0.0, 0.0]])
    model.set_weights([w, np.zeros(4), *model.get_weights()[2:]])
    x = np.array([[1.0, 5.0], [0.0, 5.0], [2.0, 5.0], [0.0, 5.0]])
    found = model.code_statistics(x)
    assert found == {"mean_activation": pytest.approx(3 * 0.0005 / 16), "active_share": 4 / 16, "dead_units": 2}
    assert model.code_statistics(x, threshold=0)["dead_units"] == 1
    assert model.code_statistics(x, threshold=1.5)["active_share"] == 2 / 16
    assert model.code_statistics(x, batch_size=3) == found
    with pytest.raises(DataError, match="no samples"):
        model.code_statistics(x[:0])
    with pytest.raises(SettingError, match="threshold"):
        model.code_statistics(x, -1)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_penalties_make_codes_sparse(kind):
    x = np.random.default_rng(0).random((200, 8, 8, 1), np.float32)
    settings = {"kind": kind, "input_shape": (8, 8, 1), "widths": (4,), "code": 30, "learning_rate": 0.005}
    shares, means = [], []
    for weight in (0.0, 0.05):
        model = mc.zoo.sparse(penalty="l1", weight=weight, **settings)
        model.fit(x, epochs=6, batch_size=20, verbose=0)
        shares.append(model.code_statistics(x)["active_share"])
    assert shares[1] < 0.7 * shares[0]
    for target in (0.05, 0.4):
        model = mc.zoo.sparse(penalty="kl", weight=0.1, target=target, **settings)
        model.fit(x, epochs=25, batch_size=20, verbose=0)
        means.append(model.code_statistics(x)["mean_activation"])
    assert abs(means[0] - 0.05) < 0.04 and abs(means[1] - 0.4) < 0.06


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_a_contractive_code_moves_less(kind):
    x = np.random.default_rng(0).random((120, 8, 8, 1), np.float32)
    moved = []
    for weight in (0.0, 1.0):
        model = mc.zoo.contractive(kind, (8, 8, 1), (4,), 6, weight, learning_rate=0.01)
        model.fit(x, epochs=8, batch_size=20, verbose=0)
        nudge = 0.01 * np.random.default_rng(1).standard_normal(x.shape).astype("f4")
        moved.append(np.abs(model.encode(x + nudge) - model.encode(x)).mean())
    assert moved[1] < 0.5 * moved[0]
