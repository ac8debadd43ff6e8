"""Variational and conditional models: the objective by numbers, the likelihood against a closed form, collapse."""

import warnings

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses
from minicae.errors import SettingError
from minicae.optimizers import Adam
from minicae.training.callbacks import BetaWarmup, LambdaCallback


def name_of(backend):
    return backend.__name__.split(".")[-1]


def linear_gaussian(backend, noise=0.0, **options):
    """z ~ N(0, I), x | z ~ N(z W + b, I / 2): everything is known. The encoder gives the true posterior, off by `noise`."""
    D, d = 3, 2
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((d, D)), rng.standard_normal(D)
    precision = np.eye(d) + 2 * W @ W.T
    values, rotation = np.linalg.eigh(precision)
    W = rotation.T @ W  # the axes in which the posterior is diagonal
    mean = 2 * W.T / values
    ae = mc.Autoencoder([L.Dense(2 * d), L.GaussianSampling()], [L.Dense(D)], D, dtype="float64", backend=backend)
    weights = np.concatenate([mean, np.zeros((D, d))], 1)
    shift = np.concatenate([-b @ mean + noise, -np.log(values) + noise])
    ae.set_weights([weights, shift, W, b])
    ae.compile(losses.MeanSquaredError("per_image"), **options)
    covariance = W.T @ W + np.eye(D) / 2
    x = rng.standard_normal((20, D)) @ np.linalg.cholesky(covariance).T + b
    away = x - b
    exact = -0.5 * ((away @ np.linalg.inv(covariance)) * away).sum(1)
    return ae, x, exact - 0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]


def test_the_likelihood_of_a_linear_gaussian_model(backend):
    ae, x, exact = linear_gaussian(name_of(backend))
    assert np.allclose(
        ae.log_likelihood(x, samples=1), exact, atol=1e-9
    )  # every weight is p(x) under the true posterior
    ae, x, exact = linear_gaussian(name_of(backend), noise=0.4)
    assert np.abs(ae.log_likelihood(x, samples=4000) - exact).max() < 0.1
    assert np.abs(ae.log_likelihood(x, samples=1) - exact).max() > 0.3


def test_more_samples_come_closer_from_below():
    ae, x, exact = linear_gaussian("reference", noise=0.5)
    x, exact = np.repeat(x, 50, 0), np.repeat(exact, 50)
    found = [ae.log_likelihood(x, samples=k, seed=1).mean() for k in (1, 4, 16, 64)]
    assert found[0] < found[1] < found[2] < found[3] < exact.mean()
    mu, log_var = np.split(x @ ae.get_weights()[0] + ae.get_weights()[1], 2, 1)
    w, b = ae.get_weights()[2:]
    expected = np.square(x - mu @ w - b).sum(1) + (np.exp(log_var) @ np.square(w)).sum() / len(x)
    elbo = -expected - 1.5 * np.log(np.pi) - 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(1)
    assert abs(found[0] - elbo.mean()) < 0.1 < exact.mean() - elbo.mean()


def test_what_stands_before_the_log_of_each_loss():
    """With a decoder that does not listen and the prior as its posterior, log p(x) is that of one distribution."""
    x = np.array([[1.0, 0.0], [0.25, 1.0]])
    y = np.array([0.25, 0.5])
    want = {
        losses.MeanSquaredError(): (-np.square(x - y) - np.log(np.pi) / 2).sum(1),
        losses.MeanAbsoluteError("per_image"): (-np.abs(x - y) - np.log(2)).sum(1),
        losses.BinaryCrossEntropy(): (x * np.log(y) + (1 - x) * np.log(1 - y)).sum(1),
    }
    for loss, numbers in want.items():
        ae = mc.Autoencoder([L.Dense(2), L.GaussianSampling()], [L.Dense(2)], 2, dtype="float64", backend="reference")
        ae.set_weights([np.zeros((2, 2)), np.zeros(2), np.zeros((1, 2)), y])
        ae.compile(loss)
        assert np.allclose(ae.log_likelihood(x, samples=3), numbers, rtol=1e-12), loss
        assert ae.loss.reduction == loss.reduction


def test_likelihood_is_decided_by_its_seed_and_refuses_what_it_cannot_do():
    ae, x, _ = linear_gaussian("reference", noise=0.4)
    assert np.array_equal(ae.log_likelihood(x, 5), ae.log_likelihood(x, 5))
    assert not np.array_equal(ae.log_likelihood(x, 5), ae.log_likelihood(x, 5, seed=1))
    assert ae.log_likelihood(x, 2, batch_size=7).shape == (20,)
    for samples in (0, 1.5):
        with pytest.raises(SettingError, match="samples"):
            ae.log_likelihood(x, samples)
    plain = mc.Autoencoder([L.Dense(2)], [L.Dense(4)], 4)
    for verb in (plain.log_likelihood, plain.active_units):
        with pytest.raises(SettingError, match="variational"):
            verb(np.ones((3, 4)))


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_the_objective_is_the_negative_evidence_lower_bound(backend, kind):
    """Bernoulli reconstruction + KL, in nats, image by image, from the definition."""
    ae = mc.zoo.variational(kind, (4, 4, 1), (3,), 2, dtype="float64", backend=name_of(backend))
    x = np.random.default_rng(0).integers(0, 2, (5, 4, 4, 1)).astype(float)
    state = ae.sampling_layer().rng.bit_generator.state
    reconstruction, penalty = ae.trainer.step(x, x)
    ae = mc.zoo.variational(kind, (4, 4, 1), (3,), 2, dtype="float64", backend=name_of(backend))
    stats = x
    for leaf in ae.encoder.leaves()[:-1]:
        stats = leaf.forward(np.ascontiguousarray(stats))
    mu, log_var = np.split(stats.copy(), 2, 1)
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    z = mu + np.sqrt(np.exp(log_var)) * rng.standard_normal(mu.shape)
    p = ae.decode(z)
    log_p = np.where(x == 1, np.log(p), np.log(1 - p)).reshape(5, -1).sum(1)
    kl = sum(0.5 * (m**2 + np.exp(v) - 1 - v) for m, v in zip(mu.T, log_var.T))
    assert np.isclose(reconstruction, -log_p.mean(), rtol=1e-10) and np.isclose(penalty, kl.mean(), rtol=1e-10)


def two_clusters(n=400):
    rng = np.random.default_rng(0)
    return (rng.integers(0, 2, (n, 1)) * [[1, 0, 1, 0, 1, 0]] + [[0, 1, 0, 0, 0, 0]]).astype(np.float32)


def small(beta=1.0, units=2):
    ae = mc.Autoencoder([L.Dense(2 * units), L.GaussianSampling(beta)], [L.Dense(6, "sigmoid")], 6, seed=1)
    ae.compile(losses.BinaryCrossEntropy(reduction="per_image"), Adam(0.05))
    return ae


def test_active_units_are_counted_by_the_variance_of_the_mean():
    ae = small(units=3)
    w = np.zeros((6, 6), np.float32)
    w[0] = [1.0, 0.15, 0.25, 9, 9, 9]
    ae.set_weights([w, np.zeros(6, np.float32), *ae.get_weights()[2:]])
    x = two_clusters()  # its first column has the variance 1/4, so the means have 0.25, 0.0056, 0.0156
    assert ae.active_units(x) == 2 and ae.active_units(x, threshold=0.02) == 1 and ae.active_units(x, 0) == 3
    with pytest.raises(SettingError, match="threshold"):
        ae.active_units(x, -1)


def test_collapse_is_said_once_and_only_where_there_is_one():
    x = two_clusters()
    with pytest.warns(UserWarning, match="posterior collapse: 0 of 2 units of the code are active") as caught:
        small(beta=50.0).fit(x, epochs=5, batch_size=20, verbose=0)
    assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ae = small(beta=0.1)
        ae.fit(x, epochs=3, batch_size=20, verbose=0)
        assert ae.active_units(x) >= 1
        small(beta=50.0).fit(x[:8], epochs=3, verbose=0)  # too few images to tell
        plain = mc.Autoencoder([L.Dense(2)], [L.Dense(6)], 6)
        plain.compile()
        plain.fit(x, epochs=1, verbose=0)


@pytest.mark.parametrize("count, batch_size", [(403, 20), (403, 8), (19, 16)])
def test_collapse_is_said_whatever_the_batches_are(count, batch_size):
    """The last batch has 3 images, and in one case every batch is smaller than what it takes to tell."""
    x = two_clusters(count)
    x = x[np.argsort(x[:, 0], kind="stable")]  # in order: the first images alone would all be alike
    with pytest.warns(UserWarning, match=f"posterior collapse: .* over {min(count, 64)} of the images"):
        small(beta=50.0).fit(x, epochs=3, batch_size=batch_size, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ae = small(beta=0.01)
        ae.set_weights([3 * w for w in ae.get_weights()])
        ae.fit(x, epochs=3, batch_size=batch_size, verbose=0)


def test_watching_for_collapse_changes_no_bit():
    found = []
    for watched in (True, False):
        ae = small()
        if not watched:
            ae._watchers = lambda x: []
        ae.fit(two_clusters(50), epochs=3, batch_size=9, verbose=0)
        found.append(ae.parameters.values.copy())
    assert np.array_equal(*found)


def test_warm_up_goes_from_0_to_beta_and_leaves_no_trace():
    ae, x = small(beta=4.0), two_clusters()
    layer = ae.sampling_layer()
    charged, validated = [], []
    log = LambdaCallback(
        on_epoch_end=lambda epoch, logs: (charged.append(logs["penalty"]), validated.append(logs["val_penalty"]))
    )
    shares = []
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: shares.append(layer.warmth))
    ae.fit(x, epochs=4, batch_size=40, validation_data=x, callbacks=[log, watch, BetaWarmup(2)], verbose=0)
    assert shares == [0.0, 0.5, 1.0, 1.0]  # as it was during epochs 1 to 4
    assert charged[0] == 0 < charged[1] and validated[0] > 0
    assert layer.warmth == 1.0 and layer.beta == 4.0
    with pytest.raises(ZeroDivisionError):
        ae.fit(x, epochs=3, callbacks=[BetaWarmup(5), LambdaCallback(on_epoch_end=lambda *_: 1 / 0)], verbose=0)
    assert layer.warmth == 1.0
    layer.warmth = 0.25
    ae.forward(x, training=True)
    part = ae.penalty
    ae.forward(x)
    assert np.isclose(ae.penalty, 4 * part)


def test_gradients_while_warming_up(backend):
    ae = mc.zoo.variational("dense", 6, (4,), 2, activation="tanh", dtype="float64", backend=name_of(backend))
    ae.sampling_layer().warmth = 0.3
    x = np.random.default_rng(0).random((5, 6))
    report = mc.gradcheck(ae, x, x)
    assert report.ok, report


def test_warm_up_misuse():
    plain = mc.Autoencoder([L.Dense(2)], [L.Dense(6)], 6)
    plain.compile()
    with pytest.raises(SettingError, match="no GaussianSampling"):
        plain.fit(two_clusters(), callbacks=BetaWarmup(), verbose=0)
    for epochs in (0, 1.5, None):
        with pytest.raises(SettingError, match="epochs"):
            BetaWarmup(epochs)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_a_conditional_model_draws_what_it_is_asked_for(kind):
    n = 600
    labels = np.random.default_rng(0).integers(0, 4, n)
    x = np.zeros((n, 4, 4, 1), np.float32)
    x[np.arange(n), labels] = 1  # class k has a white line in row k
    ae = mc.zoo.conditional_variational(kind, (4, 4, 1), 4, (16,), 2, learning_rate=0.01, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the label says it all: the code itself has nothing to say
        ae.fit(mc.conditioned(x, labels), x, epochs=25, batch_size=30, verbose=0)
    for label in range(4):
        drawn = ae.sample(8, label=label)
        assert drawn.shape == (8, 4, 4, 1) and (drawn.mean((2, 3)).argmax(1) == label).mean() > 0.85
    mixed = ae.sample(4, label=[3, 1, 2, 0])
    assert mixed.mean((2, 3)).argmax(1).tolist() == [3, 1, 2, 0]
    assert np.array_equal(mixed, ae.sample(4, label=np.array([3, 1, 2, 0])))


def test_the_verbs_of_a_conditional_model(tmp_path):
    ae = mc.zoo.conditional_variational("dense", 6, 3, (5,), 2, seed=1)
    x, labels = two_clusters(30), np.arange(30) % 3
    given = mc.conditioned(x, labels)
    codes = ae.encode(given)
    assert codes.shape == (30, 5) and np.array_equal(codes[:, 2:], np.eye(3)[labels])
    assert np.array_equal(ae.decode(codes), ae.reconstruct(given)) and ae.reconstruct(given).shape == (30, 6)
    assert np.allclose(ae.reconstruction_error(given), np.square(ae.reconstruct(given) - x).mean(1))
    assert ae.evaluate(given, x) > 0 and ae.log_likelihood(given, 4).shape == (30,) and 0 <= ae.active_units(given) <= 2
    other = mc.conditioned(x, (labels + 1) % 3)
    assert not np.allclose(ae.encode(given)[:, :2], ae.encode(other)[:, :2])  # the encoder hears it
    codes[:, 2:] = np.eye(3)[(labels + 1) % 3]
    assert not np.allclose(ae.decode(codes), ae.reconstruct(given))  # and so does the decoder
    again = mc.load(ae.save(tmp_path / "m"))
    assert np.array_equal(again.reconstruct(given), ae.reconstruct(given))
    with pytest.raises(mc.errors.ShapeError, match="give y"):
        ae.fit(given, verbose=0)
    for label in (None, 3, -1, [0, 1], 0.5, "a"):
        with pytest.raises(SettingError, match="class from 0 to 2"):
            ae.sample(3, label=label)
    with pytest.raises(SettingError, match="conditional"):
        small().sample(3, label=0)
