"""Every kernel that PyTorch also has, forward and backward, to 12 digits: a definition by other people."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels import strategies
from tests.kernels.strategies import blank

torch = pytest.importorskip("torch", reason="PyTorch is not installed, and only these tests need it")
F = torch.nn.functional

examples = settings(max_examples=40)
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple)

ACTIVATIONS = {
    "linear": lambda x, a: x,
    "relu": lambda x, a: torch.relu(x),
    "leaky_relu": lambda x, a: F.leaky_relu(x, a),
    "elu": lambda x, a: F.elu(x, a),
    "sigmoid": lambda x, a: torch.sigmoid(x),
    "tanh": lambda x, a: torch.tanh(x),
    "softplus": lambda x, a: F.softplus(x, threshold=40),
}
activations = st.tuples(st.sampled_from(list(ACTIVATIONS)), st.floats(0.1, 2.0))


def normal(seed, *like):
    """Arrays of the same shapes with normal numbers: no ties, no kinks."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(a if isinstance(a, tuple) else a.shape) for a in like]


def tensors(*arrays):
    return [torch.tensor(array, requires_grad=True) for array in arrays]


def channels_first(t):
    return t.permute(0, 3, 1, 2)


def channels_last(t):
    return t.permute(0, 2, 3, 1)


def filters_first(w):
    return w.permute(3, 2, 0, 1).contiguous()


def padded(t, padding, value=0.0):
    top, bottom, left, right = padding
    return F.pad(t, (left, right, top, bottom), value=value)


def assert_same(*pairs):
    """12 digits of the largest number in each array."""
    for got, want in pairs:
        want = want.detach().numpy() if torch.is_tensor(want) else want
        assert got.shape == want.shape
        assert np.all(np.abs(got - want) <= 1e-12 * max(1.0, np.abs(want).max(initial=0)))


def check_linear(backend, kind, arrays, conv, activation, theirs):
    """Forward with bias and activation, and from the same dy the gradients of x, w and b."""
    x, w, b, dy = arrays
    tx, tw, tb = tensors(x, w, b)
    ty = ACTIVATIONS[activation[0]](theirs(tx, tw, tb), activation[1])
    ty.backward(torch.tensor(dy))
    y, dx, dw, db, dpre = (blank(a.shape, float) for a in (dy, x, w, b, dy))
    getattr(backend, f"{kind}_forward")(x, w, b, y, *conv, *activation)
    backend.activation_backward(dy, y, dpre, *activation)
    getattr(backend, f"{kind}_backward_input")(dpre, w, dx, *conv)
    getattr(backend, f"{kind}_backward_weight")(x, dpre, dw, db, *conv)
    assert_same((y, ty), (dx, tx.grad), (dw, tw.grad), (db, tb.grad))


@examples
@given(case=strategies.dense(), activation=activations, seed=seeds)
def test_dense(backend, case, activation, seed):
    check_linear(backend, "dense", normal(seed, *case), (), activation, lambda x, w, b: x @ w + b)


@examples
@given(case=strategies.conv2d(), activation=activations, seed=seeds)
def test_conv2d(backend, case, activation, seed):
    strides, padding, dilation = case.settings

    def theirs(x, w, b):
        x = padded(channels_first(x), padding)
        return channels_last(F.conv2d(x, filters_first(w), b, strides, dilation=dilation))

    arrays = normal(seed, case.x, case.w, case.b, case.dy)
    check_linear(backend, "conv2d", arrays, case.settings, activation, theirs)


@examples
@given(case=strategies.conv2d(), activation=activations, seed=seeds)
def test_conv2d_transpose(backend, case, activation, seed):
    strides, (top, bottom, left, right), dilation = case.settings
    x, w, b, dy = normal(seed, case.dy, case.w, case.b_transposed, case.x)
    OH, OW = dy.shape[1:3]
    stamped = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[1:3], strides, w.shape[:2], dilation)]
    missing = top + OH + bottom - stamped[0], left + OW + right - stamped[1]

    def theirs(x, w, b):
        y = F.conv_transpose2d(channels_first(x), filters_first(w), None, strides, dilation=dilation)
        y = F.pad(y, (0, missing[1], 0, missing[0]))
        return channels_last(y)[:, top : top + OH, left : left + OW] + b

    check_linear(backend, "conv2d_transpose", (x, w, b, dy), case.settings, activation, theirs)


@examples
@given(case=strategies.pool2d(), seed=seeds)
def test_maxpool2d(backend, case, seed):
    window, strides, padding = case.settings
    x, dy = normal(seed, case.x, case.dy)
    (tx,) = tensors(x)
    ty = channels_last(F.max_pool2d(padded(channels_first(tx), padding, -np.inf), window, strides))
    ty.backward(torch.tensor(dy))
    y, argmax, dx = blank(dy.shape, float), np.zeros(dy.shape, np.int32), blank(x.shape, float)
    backend.maxpool2d_forward(x, y, argmax, *case.settings)
    backend.maxpool2d_backward(dy, argmax, dx, *case.settings)
    assert_same((y, ty), (dx, tx.grad))


@examples
@given(case=strategies.pool2d(), count_padding=st.booleans(), seed=seeds)
def test_avgpool2d(backend, case, count_padding, seed):
    window, strides, padding = case.settings
    x, dy = normal(seed, case.x, case.dy)
    (tx,) = tensors(x)
    counted = padded(torch.ones(x.shape[:3], dtype=torch.float64), padding, float(count_padding))
    share = F.avg_pool2d(counted[:, None], window, strides)
    ty = channels_last(F.avg_pool2d(padded(channels_first(tx), padding), window, strides) / share)
    ty.backward(torch.tensor(dy))
    y, dx = blank(dy.shape, float), blank(x.shape, float)
    backend.avgpool2d_forward(x, y, *case.settings, count_padding)
    backend.avgpool2d_backward(dy, dx, *case.settings, count_padding)
    assert_same((y, ty), (dx, tx.grad))


@examples
@given(case=strategies.blocks(), seed=seeds)
def test_upsample_nearest(backend, case, seed):
    x, dy = normal(seed, case.x, case.dy)
    (tx,) = tensors(x)
    ty = channels_last(F.interpolate(channels_first(tx), scale_factor=case.settings, mode="nearest"))
    ty.backward(torch.tensor(dy))
    y, dx = blank(dy.shape, float), blank(x.shape, float)
    backend.upsample_nearest_forward(x, y, case.settings)
    backend.upsample_nearest_backward(dy, dx, case.settings)
    assert_same((y, ty), (dx, tx.grad))


@examples
@given(case=strategies.resize(exact=False), seed=seeds)
def test_upsample_bilinear(backend, case, seed):
    x, dy = normal(seed, case.x, case.dy)
    (tx,) = tensors(x)
    size = dy.shape[1:3]
    ty = F.interpolate(channels_first(tx), size=size, mode="bilinear", align_corners=case.settings)
    ty = channels_last(ty)
    ty.backward(torch.tensor(dy))
    y, dx = blank(dy.shape, float), blank(x.shape, float)
    backend.upsample_bilinear_forward(x, y, case.settings)
    backend.upsample_bilinear_backward(dy, dx, case.settings)
    assert_same((y, ty), (dx, tx.grad))


@examples
@given(shape=shapes, activation=activations, seed=seeds)
def test_activation_and_softmax(backend, shape, activation, seed):
    x, dy = normal(seed, shape, shape)
    y, dx = blank(shape, float), blank(shape, float)
    for forward, backward, theirs, setting in (
        (backend.activation_forward, backend.activation_backward, ACTIVATIONS[activation[0]], activation),
        (backend.softmax_forward, backend.softmax_backward, lambda x, a: torch.softmax(x, -1), ()),
    ):
        (tx,) = tensors(x)
        ty = theirs(tx, activation[1])
        ty.backward(torch.tensor(dy))
        forward(x, y, *setting)
        backward(dy, y, dx, *setting)
        assert_same((y, ty), (dx, tx.grad))


@examples
@given(shape=shapes, training=st.booleans(), seed=seeds)
def test_batchnorm(backend, shape, training, seed):
    shape = (shape[0] + 2, *shape[1:])
    C = (shape[-1],)
    x, dy, gamma, beta, mean, variance = normal(seed, shape, shape, C, C, C, C)
    variance = variance**2
    tx, tgamma, tbeta = tensors(x, gamma, beta)
    constants = torch.tensor(mean), torch.tensor(variance)
    ty = F.batch_norm(tx.movedim(-1, 1), *constants, tgamma, tbeta, training, eps=1e-3).movedim(1, -1)
    ty.backward(torch.tensor(dy))
    if training:
        backend.batchnorm_statistics(x, mean, variance)
    y, dx, dgamma, dbeta = (blank(a.shape, float) for a in (x, x, gamma, beta))
    backend.batchnorm_forward(x, mean, variance, gamma, beta, y, 1e-3)
    backend.batchnorm_backward(x, dy, mean, variance, gamma, dx, dgamma, dbeta, 1e-3, training)
    assert_same((y, ty), (dx, tx.grad), (dgamma, tgamma.grad), (dbeta, tbeta.grad))


LOSSES = {
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "bce": F.binary_cross_entropy,
    "bce_logits": F.binary_cross_entropy_with_logits,
}


@examples
@given(shape=shapes, loss=st.sampled_from(list(LOSSES)), seed=seeds)
def test_losses(backend, shape, loss, seed):
    rng = np.random.default_rng(seed)
    y, target = rng.uniform(0.01, 0.99, shape), rng.uniform(0, 1, shape)
    (ty,) = tensors(y)
    each = LOSSES[loss](ty, torch.tensor(target), reduction="none")
    (0.3 * each.sum()).backward()
    per_image, dy = blank(shape[:1], float), blank(shape, float)
    getattr(backend, f"{loss}_forward")(y, target, per_image)
    getattr(backend, f"{loss}_backward")(y, target, dy, 0.3)
    assert_same((per_image, each.flatten(1).sum(1)), (dy, ty.grad))


@examples
@given(N=st.integers(1, 9), d=st.integers(1, 9), seed=seeds)
def test_sampling_and_kl(backend, N, d, seed):
    stats, noise, dz = normal(seed, (N, 2 * d), (N, d), (N, d))
    z, per_image, dstats, dkl = blank((N, d), float), blank((N,), float), *blank((2, N, 2 * d), float)
    backend.gaussian_sample_forward(stats, noise, z)
    backend.gaussian_sample_backward(dz, stats, noise, dstats)
    backend.gaussian_kl_forward(stats, per_image)
    backend.gaussian_kl_backward(stats, dkl, 0.3)

    def posterior(stats):
        return torch.distributions.Normal(stats[:, :d], (stats[:, d:] / 2).exp())

    ts, tk = tensors(stats, stats)
    tz = posterior(ts).loc + posterior(ts).scale * torch.tensor(noise)
    tz.backward(torch.tensor(dz))
    kl = torch.distributions.kl_divergence(posterior(tk), torch.distributions.Normal(0.0, 1.0)).sum(1)
    (0.3 * kl.sum()).backward()
    assert_same((z, tz), (dstats, ts.grad), (per_image, kl), (dkl, tk.grad))


@examples
@given(case=strategies.dense(), activation=activations, seed=seeds)
def test_contractive(backend, case, activation, seed):
    """The Jacobian by autograd, and the gradients of its squares by autograd again."""
    x, w, b, _ = normal(seed, *case)
    tx, tw, tb = tensors(x, w, b)
    ty = ACTIVATIONS[activation[0]](tx @ tw + tb, activation[1])
    jacobian = [torch.autograd.grad(column.sum(), tx, create_graph=True)[0] for column in ty.unbind(1)]
    squares = torch.stack(jacobian).square().sum((0, 2))
    want = torch.autograd.grad(0.3 * squares.sum(), (tw, tb), allow_unused=True, materialize_grads=True)
    y = ty.detach().numpy()
    per_image, dpre, dw = blank(len(x), float), blank(y.shape, float), blank(w.shape, float)
    backend.contractive_forward(y, w, per_image, *activation)
    backend.contractive_backward(y, w, dpre, dw, 0.3, *activation)
    backend.activation_backward(dpre, y, dpre, *activation)
    assert_same((per_image, squares), (dw + x.T @ dpre, want[0]), (dpre.sum(axis=0), want[1]))
