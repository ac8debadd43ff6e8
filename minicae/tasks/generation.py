"""Generation: samples from the prior, paths from one sample to another, a map of a code of two numbers."""

import inspect
from statistics import NormalDist

import numpy as np

from minicae import conversion, ops, shapes
from minicae.errors import DataError, SettingError, ShapeError, shown
from minicae.tasks import _arrays
from minicae.tasks.features import features
from minicae.tasks.neighbours import nearest
from minicae.tasks.pca import PCA
from minicae.tasks.report import Report


def interpolate(model, a, b, steps=8, kind="linear") -> np.ndarray:
    """A path from sample a to sample b through the code, decoded: (steps, *input_shape), or (N, steps, *input_shape).

        linear      z(t) = (1 - t) za + t zb                                                    t = 0 ... 1
        spherical   z(t) = (sin((1 - t) angle) za + sin(t angle) zb) / sin(angle)

    The first and the last are the reconstructions of a and b. On the spherical path lengths stay between those of za and
    zb, as those of samples from a Gaussian prior do; codes that point the same way, or opposite ways, have no arc of their
    own and are joined by the straight line. Source: Shoemake, "Animating rotation with quaternion curves" (1985).

    Parameters
    ----------
    model : with encode and decode
    a, b : one sample each, (*input_shape), or as many, (N, *input_shape)
    steps : samples on the path, both ends included, at least 2
    kind : "linear" or "spherical"
    """
    _arrays.needs(model, "encode", "decode")
    steps = shapes.integer(steps, "steps", 2)
    if not isinstance(kind, str) or kind not in ("linear", "spherical"):
        raise SettingError(f"kind must be 'linear' or 'spherical', got {shown(kind)}")
    a, b = ops.admit(a, name="a"), ops.admit(b, name="b")
    if a.shape != b.shape:
        raise ShapeError(f"a and b must have one shape, got {a.shape} and {b.shape}")
    single = a.shape == getattr(model, "input_shape", None)
    za, zb = (model.encode(one[None] if single else one) for one in (a, b))
    if not len(za):
        raise DataError("a and b are empty: there is nothing to walk between")
    code = za.shape[1:]
    path = np.stack([_between(*ends, np.linspace(0, 1, steps), kind) for ends in zip(za, zb)])
    samples = model.decode(path.reshape(-1, *code).astype(za.dtype))
    samples = samples.reshape(len(za), steps, *samples.shape[1:])
    return samples[0] if single else samples


def _between(start, end, t, kind):
    """Points (steps, *code_shape) from `start` to `end`, (*code_shape) each, at t (steps,)."""
    start, end = start.astype(np.float64), end.astype(np.float64)
    shares = 1 - t, t
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    if kind == "spherical" and lengths:
        angle = np.arccos(np.clip(np.vdot(start, end) / lengths, -1, 1))
        if np.sin(angle) > 1e-6:
            shares = [np.sin(share * angle) / np.sin(angle) for share in shares]
    return sum(np.multiply.outer(share, point) for share, point in zip(shares, (start, end)))


def sample_grid(model, n=10, extent=2.0) -> np.ndarray:
    """Decoded samples (n, n, *input_shape) of codes of two numbers, laid out as the plane of the codes.

    The first number grows from left to right, the second from bottom to top, both from -extent to extent, at steps of equal
    probability under a standard normal: the quantiles of `n` equally spaced probabilities. Closer where codes are denser.

    Parameters
    ----------
    model : with decode, and codes of shape (2,)
    n : samples along each side, at least 2
    extent : of the outermost codes, standard deviations, above 0
    """
    _arrays.needs(model, "decode")
    n, extent = shapes.integer(n, "n", 2), shapes.number(extent, "extent", 0, 8, without=(0,))
    encoder = getattr(model, "encoder", None)
    code = encoder.output_shape if encoder is not None else (getattr(model, "size", None),)
    if code != (2,):
        raise ShapeError(f"sample_grid needs codes of two numbers (2,), the model's are {code}")
    normal = NormalDist()
    places = np.array([normal.inv_cdf(p) for p in np.linspace(normal.cdf(-extent), normal.cdf(extent), n)])
    codes = np.stack([np.tile(places, n), np.repeat(places[::-1], n)], axis=1)
    samples = model.decode(codes.astype(getattr(model, "dtype", np.float64)))
    return samples.reshape(n, n, *samples.shape[1:])


def conditional_samples(model, labels, seed=0) -> np.ndarray:
    """One new sample of each label, (N, *output_shape), by a model whose `sample` takes labels: a conditional one.

    labels (N,) whole numbers, classes that the model was trained with. SettingError for a model that takes none.
    """
    _arrays.needs(model, "sample")
    if "label" not in inspect.signature(model.sample).parameters:
        raise SettingError(f"{type(model).__name__} takes no labels: conditional samples need a conditional model")
    seed = shapes.integer(seed, "seed", 0)
    labels = np.atleast_1d(conversion.array(labels, "labels"))
    return model.sample(len(labels), seed=seed, label=_arrays.labels(labels, labels.size))


def generation_report(model, x_train, x_test, seed=0) -> Report:
    """How near samples of the model are to real ones, against samples of a Gaussian along principal components.

    As many samples as x_test has. Columns, root mean squared differences a number of a sample: fidelity, from each sample to
    the nearest of x_test, small where samples look real; coverage, from each of x_test to the nearest sample, small where
    nothing is left out. The last row takes other real samples, from x_train, for samples. A conditional model is asked for
    samples of the labels that come with x_test, and everything is compared without them.

    Parameters
    ----------
    model : with sample and encode
    x_train : (N, ...) what the model was trained on, N at least as many as x_test
    x_test : (M, ...)
    seed : of the samples
    """
    _arrays.needs(model, "sample", "encode")
    x_train, x_test = _arrays.samples(x_train, "x_train"), _arrays.samples(x_test, "x_test")
    count, size = len(x_test), features(model, x_train[:1]).shape[1]
    if len(x_train) < count:
        raise SettingError(f"x_train has {len(x_train)} samples: as many as x_test, {count}, are needed at least")
    train, test = (_arrays.unlabelled(model, x) for x in (x_train, x_test))
    asked = {} if test.shape == x_test.shape else {"label": x_test.reshape(count, -1)[:, -1]}
    real = _arrays.rows(test)
    pca = PCA(min(size, len(train), real.shape[1])).fit(train)
    candidates = {
        "model": model.sample(count, seed=seed, **asked),
        f"Gaussian, PCA, {pca.size}": pca.sample(count, seed),
        "real samples": train[:count],
    }
    table = {}
    for name, made in candidates.items():
        made = _arrays.rows(made, name)
        table[name] = {"fidelity": _distance(made, real), "coverage": _distance(real, made)}
    return Report(f"generation, {count:,} samples", table)


def _distance(points, others):
    return float(np.sqrt(nearest(points, others)[0].mean() / points.shape[1]))
