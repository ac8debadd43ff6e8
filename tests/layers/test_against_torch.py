"""Whole layers, losses and small models against PyTorch in float64, forward and all gradients, to 12 digits."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses
from minicae.optimizers import SGD, Adam, AdamW, Nadam, RMSprop

torch = pytest.importorskip("torch", reason="PyTorch is not installed, and only these tests need it")
nn, F = torch.nn, torch.nn.functional
IMAGES, VECTORS = (3, 7, 6, 4), (5, 8)


@pytest.fixture(autouse=True)
def double():
    """PyTorch's own scalars, such as NAdam's product, in float64 as well."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def agree(got, want):
    """12 digits of the largest number; NaN fails."""
    want = want.detach().numpy() if torch.is_tensor(want) else np.asarray(want)
    assert got.shape == want.shape
    assert np.all(np.abs(got - want) <= 1e-12 * max(1.0, np.abs(want).max())), np.abs(got - want).max()


def nchw(t):
    return t.permute(0, 3, 1, 2)


def nhwc(t):
    return t.permute(0, 2, 3, 1)


def images(function):
    """A function of (N, C, H, W) as one of (N, H, W, C)."""
    return lambda x, *weights: nhwc(function(nchw(x), *weights))


def oihw(w):
    return w.permute(3, 2, 0, 1).contiguous()


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: F.softplus(x, threshold=100),
}


def dense(act):
    return lambda x, w, b: act(x @ w + b)


def conv(**options):
    return images(lambda x, w, b: F.conv2d(x, oihw(w), b, **options))


def conv_padded(pad, **options):
    return images(lambda x, w, b: F.conv2d(F.pad(x, pad), oihw(w), b, **options))


def transposed(**options):
    return images(lambda x, w, b: F.conv_transpose2d(x, w.permute(3, 2, 0, 1), b, **options))


def up(**options):
    return images(lambda x: F.interpolate(x, **options))


CASES = {
    **{f"Dense(3, '{name}')": (VECTORS, dense(act)) for name, act in ACTIVATIONS.items()},
    **{f"Activation('{name}')": (IMAGES, act) for name, act in ACTIVATIONS.items()},
    "ReLU()": (IMAGES, F.relu),
    "LeakyReLU(0.3)": (IMAGES, lambda x: F.leaky_relu(x, 0.3)),
    "ELU(0.7)": (IMAGES, lambda x: F.elu(x, 0.7)),
    "Sigmoid()": (IMAGES, torch.sigmoid),
    "Tanh()": (IMAGES, torch.tanh),
    "Softplus()": (IMAGES, F.softplus),
    "Softmax()": (IMAGES, lambda x: F.softmax(x, -1)),
    "Conv2D(5, 3)": (IMAGES, conv(padding=1)),
    "Conv2D(5, 3, padding='valid', activation='elu')": (IMAGES, lambda *a: F.elu(conv()(*a))),
    "Conv2D(2, (3, 2), (2, 3), (1, 1, 0, 0))": (IMAGES, conv(stride=(2, 3), padding=(1, 0))),
    "Conv2D(2, (2, 3), (1, 2), (1, 0, 2, 1), (3, 1))": (
        IMAGES,
        conv_padded((2, 1, 1, 0), stride=(1, 2), dilation=(3, 1)),
    ),
    "Conv2D(3, 3, 2)": (IMAGES, conv_padded((0, 1, 1, 1), stride=2)),  # same: 7 -> 4, 6 -> 3, the odd pixel last
    "Conv2D(3, 1)": (IMAGES, conv()),
    "Conv2DTranspose(5, 3, padding='valid')": (IMAGES, transposed()),
    "Conv2DTranspose(2, (3, 2), (2, 3), (1, 1, 0, 0))": (IMAGES, transposed(stride=(2, 3), padding=(1, 0))),
    "Conv2DTranspose(2, 3, 2, 'valid', (1, 2))": (IMAGES, transposed(stride=2, dilation=(1, 2))),
    "Conv2DTranspose(2, 4, 2, activation='tanh')": (IMAGES, lambda *a: torch.tanh(transposed(stride=2, padding=1)(*a))),
    "MaxPooling2D(2)": (IMAGES, images(lambda x: F.max_pool2d(x, 2))),
    "MaxPooling2D((3, 2), (1, 2), (1, 1, 1, 1))": (IMAGES, images(lambda x: F.max_pool2d(x, (3, 2), (1, 2), (1, 1)))),
    "AveragePooling2D((2, 3))": (IMAGES, images(lambda x: F.avg_pool2d(x, (2, 3)))),
    "AveragePooling2D(3, (2, 1), 1, True)": (IMAGES, images(lambda x: F.avg_pool2d(x, 3, (2, 1), 1))),
    "AveragePooling2D(3, (2, 1), 1)": (
        IMAGES,
        images(lambda x: F.avg_pool2d(x, 3, (2, 1), 1, count_include_pad=False)),
    ),
    "UpSampling2D((2, 3))": (IMAGES, up(scale_factor=(2, 3))),
    "UpSampling2D((2, 3), 'bilinear')": (IMAGES, up(scale_factor=(2, 3), mode="bilinear")),
    "UpSampling2D((3, 2), 'bilinear', True)": (IMAGES, up(scale_factor=(3, 2), mode="bilinear", align_corners=True)),
    "ZeroPadding2D((1, 2, 0, 3))": (IMAGES, images(lambda x: F.pad(x, (0, 3, 1, 2)))),
    "Cropping2D((1, 2, 0, 3))": (IMAGES, lambda x: x[:, 1:-2, :-3]),
    "Flatten()": (IMAGES, lambda x: x.reshape(len(x), -1)),
    "Reshape((6, 28))": (IMAGES, lambda x: x.reshape(-1, 6, 28)),
}


def random_weights(model, rng):
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return [torch.tensor(w, requires_grad=True) for w in model.get_weights()]


@pytest.mark.parametrize("text", CASES)
def test_layers(text, backend):
    shape, function = CASES[text]
    rng = np.random.default_rng(0)
    model = mc.Sequential([eval(text, vars(L))], shape[1:], dtype="float64", backend=backend.__name__.split(".")[-1])
    weights = random_weights(model, rng)
    x = torch.tensor(rng.standard_normal(shape), requires_grad=True)
    y = function(x, *weights)
    dy = rng.standard_normal(y.shape)
    y.backward(torch.tensor(dy))
    agree(model.forward(x.detach().numpy(), training=True), y)
    agree(model.backward(dy), x.grad)
    for got, want in zip(model.get_gradients(), weights, strict=True):
        agree(got, want.grad)


@pytest.mark.parametrize("shape", [VECTORS, IMAGES])
def test_batch_normalization(shape, backend):
    rng = np.random.default_rng(0)
    C = shape[-1]
    model = mc.Sequential(
        [L.BatchNormalization(0.8, 1e-4)], shape[1:], dtype="float64", backend=backend.__name__.split(".")[-1]
    )
    gamma, beta = random_weights(model, rng)
    mean, variance = torch.zeros(C, dtype=torch.float64), torch.ones(C, dtype=torch.float64)
    M = np.prod(shape[:-1])
    for training in (True, True, False):
        x = torch.tensor(3 * rng.standard_normal(shape) + 1, requires_grad=True)
        y = F.batch_norm(x.reshape(-1, C), mean, variance, gamma, beta, training, 0.2, 1e-4).reshape(shape)
        dy = rng.standard_normal(shape)
        gamma.grad = beta.grad = None
        y.backward(torch.tensor(dy))
        if training:  # PyTorch keeps the unbiased variance
            biased = x.detach().reshape(-1, C).var(0, unbiased=False)
            variance += 0.2 * (biased - biased * M / (M - 1))
        agree(model.forward(x.detach().numpy(), training), y)
        agree(model.backward(dy), x.grad)
        agree(model.get_gradients()[0], gamma.grad)
        agree(model.get_gradients()[1], beta.grad)
        agree(model.layers[0].states["mean"], mean)
        agree(model.layers[0].states["variance"], variance)


LOSSES = {
    "mse": (losses.MeanSquaredError, F.mse_loss),
    "mae": (losses.MeanAbsoluteError, F.l1_loss),
    "bce": (losses.BinaryCrossEntropy, F.binary_cross_entropy),
    "bce_logits": (lambda **o: losses.BinaryCrossEntropy(True, **o), F.binary_cross_entropy_with_logits),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "per_image"])
def test_losses(name, reduction, backend):
    make, function = LOSSES[name]
    rng = np.random.default_rng(0)
    y = torch.tensor(
        rng.uniform(0.05, 0.95, IMAGES) if name == "bce" else rng.standard_normal(IMAGES), requires_grad=True
    )
    target = rng.random(IMAGES)
    want = function(y, torch.tensor(target), reduction="sum")
    want = want / (y.numel() if reduction == "mean" else len(y))
    want.backward()
    loss = make(reduction=reduction)
    loss.backend = backend.__name__.split(".")[-1]
    value, dy = loss(y.detach().numpy(), target)
    agree(np.array(value), want)
    agree(dy, y.grad)
    assert np.isclose(loss.per_image(y.detach().numpy(), target).mean(), value, rtol=1e-14)


OPTIMIZERS = {
    "sgd": (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (SGD(0.1, 0.9), lambda p: torch.optim.SGD(p, 0.1, 0.9)),
    "nesterov": (SGD(0.1, 0.9, True), lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True)),
    "rmsprop": (RMSprop(0.01, 0.8, 1e-6), lambda p: torch.optim.RMSprop(p, 0.01, 0.8, 1e-6)),
    "adam": (Adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    "adamw": (AdamW(0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
    "nadam": (Nadam(0.01), lambda p: torch.optim.NAdam(p, 0.01, momentum_decay=0.004)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("loss", ["bce", "bce_logits", "mse"])
def test_three_steps_of_a_convolutional_autoencoder(name, loss):
    optimizer, make = OPTIMIZERS[name]
    encoder = [L.Conv2D(4, 3, activation="tanh"), L.MaxPooling2D(2), L.Conv2D(2, 3, activation="elu"), L.Flatten()]
    encoder += [L.Dense(5, "softplus")]
    decoder = [L.Dense(24, "tanh"), L.Reshape((3, 4, 2)), L.Conv2D(4, 3, activation="sigmoid"), L.UpSampling2D(2)]
    decoder += [L.Conv2D(1, 3, activation="sigmoid" if loss == "bce" else "linear")]
    ae = mc.Autoencoder(encoder, decoder, (6, 8, 1), dtype="float64")
    ae.compile(loss, eval(repr(optimizer), vars(mc.optimizers)))
    rng = np.random.default_rng(0)
    weights = [torch.tensor(w, requires_grad=True) for w in ae.get_weights()]
    other = make(weights)

    def network(x):
        w = iter(weights)
        layer = lambda x: nhwc(F.conv2d(nchw(x), oihw(next(w)), next(w), padding=1))  # noqa: E731
        x = torch.tanh(layer(x))
        x = nhwc(F.max_pool2d(nchw(x), 2))
        x = F.elu(layer(x)).reshape(len(x), -1)
        x = F.softplus(x @ next(w) + next(w))
        x = torch.tanh(x @ next(w) + next(w)).reshape(-1, 3, 4, 2)
        x = torch.sigmoid(layer(x)).repeat_interleave(2, 1).repeat_interleave(2, 2)
        x = layer(x)
        return torch.sigmoid(x) if loss == "bce" else x

    for _ in range(3):
        x = rng.random((5, 6, 8, 1))
        want = LOSSES[loss][1](network(torch.tensor(x)), torch.tensor(x))
        other.zero_grad()
        want.backward()
        other.step()
        agree(np.array(ae.train_on_batch(x)), want)
        for got, tensor in zip(ae.get_gradients(), weights, strict=True):
            agree(got, tensor.grad)
    for got, tensor in zip(ae.get_weights(), weights, strict=True):
        assert np.all(np.abs(got - tensor.detach().numpy()) <= 1e-10)  # Adam divides tiny gradients by tiny roots
