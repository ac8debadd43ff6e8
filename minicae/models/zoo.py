"""Networks ready to train: each comes compiled, with a loss and initialisers that learn from the first step."""

import math

from minicae import shapes
from minicae.errors import SettingError
from minicae.layers import (
    AppendLabels,
    ContractivePenalty,
    Dense,
    Flatten,
    GaussianNoise,
    GaussianSampling,
    KLSparsity,
    L1Penalty,
    Layer,
    Reshape,
    Tied,
)
from minicae.layers.penalty import _Penalty
from minicae.models._parts import compiled, convolutions, output_for, upward, variant
from minicae.models.autoencoder import Autoencoder
from minicae.optimizers import Adam


def basic(sizes=(3, 2, 3), activation="linear", seed=0, dtype="float32", backend="cpu") -> Autoencoder:
    """3-2-3: the smallest autoencoder, linear, which finds the plane that principal component analysis finds.

    Loss MSE, Adam at 0.01. `activation` is that of every layer but the last, which is linear.
    """
    return stacked(sizes, activation, "linear", "mse", 0.01, seed, dtype, backend)


def stacked(
    sizes=(5, 4, 3, 2, 3, 4, 5),
    activation="tanh",
    output_activation=None,
    loss="mse",
    learning_rate=0.003,
    seed=0,
    dtype="float32",
    backend="cpu",
    tied=False,
) -> Autoencoder:
    """5-4-3-2-3-4-5, or any sizes: dense layers down to the narrowest and up again.

    `sizes` as one number a layer, the input first; given only the first half, such as (784, 100, 30), it is mirrored.
    `output_activation` None takes what suits the loss: a sigmoid for "bce", else linear. With `tied`, each layer of the
    decoder uses the weights of the encoder's layer that it mirrors.
    """
    sizes = shapes.sizes(sizes, "sizes")
    if len(sizes) < 2:
        raise SettingError(f"sizes must name the input and at least one layer, got {sizes}")
    if sizes[-1] != sizes[0]:
        sizes = sizes + sizes[-2::-1]
    middle = len(sizes) // 2
    if output_activation is None:
        output_activation = output_for(loss)
    if not isinstance(tied, bool) or (tied and (sizes != sizes[::-1] or len(sizes) % 2 == 0)):
        raise SettingError(
            f"tied must be True or False, and True needs an odd number of sizes that mirror each other, got {sizes}"
        )
    activations = [activation] * (len(sizes) - 2) + [output_activation]
    layers = [Dense(size, act) for size, act in zip(sizes[1:], activations)]
    if tied:
        layers[middle:] = [Tied(layer, act) for layer, act in zip(layers[middle - 1 :: -1], activations[middle:])]
    model = Autoencoder(layers[:middle], layers[middle:], (sizes[0],), seed, dtype, backend)
    model.compile(loss, Adam(learning_rate))
    return model


def convolutional(
    input_shape=(28, 28, 1),
    filters=(64, 128, 256),
    code=None,
    last_kernel=3,
    interpolation="nearest",
    activation="relu",
    loss="bce",
    learning_rate=0.001,
    seed=0,
    dtype="float32",
    backend="cpu",
) -> Autoencoder:
    """The convolutional autoencoder: convolution and pooling down, convolution and upsampling up again.

        28x28x1   Conv2D 64, pool    14x14x64   Conv2D 128, pool    7x7x128   Conv2D 256    7x7x256 = the code
        7x7x256   Conv2D 128, up     14x14x128  Conv2D 64, up       28x28x64  Conv2D 1      28x28x1

    Parameters
    ----------
    input_shape : (H, W, C); H and W divisible by 2 for each filter count but the last
    filters : channels of the encoder's convolutions; the last one is the bottleneck
    code : None keeps the bottleneck's maps as the code (12,544 numbers for 28x28x1: overcomplete, a warning says so); a
        number makes the code a vector of that length, by a dense layer on each side
    last_kernel : of the last convolution, in pixels; 1 after nearest upsampling can only paint 2x2 blocks
    interpolation : "nearest" or "bilinear"
    loss : "bce" for images in 0..1 (the output is a sigmoid, trained as if from logits); others get a linear output

    He initialisers before ReLU, Glorot before the sigmoid; Adam at `learning_rate`.
    """
    output = output_for(loss)
    filters = shapes.sizes(filters, "filters")
    input_shape = shapes.sizes(input_shape, "input_shape")
    encoder, maps = convolutions(input_shape, filters, activation)
    decoder = []
    if code is not None:
        encoder += [Flatten(), Dense(code)]
        decoder += [Dense(math.prod(maps), activation), Reshape(maps)]
    decoder += upward(input_shape[-1], filters, last_kernel, interpolation, activation, output)
    return compiled(encoder, decoder, input_shape, loss, learning_rate, seed, dtype, backend)


def denoising(
    kind="dense",
    input_shape=(28, 28, 1),
    widths=None,
    code=32,
    noise=None,
    activation="relu",
    loss="bce",
    learning_rate=0.001,
    seed=0,
    dtype="float32",
    backend="cpu",
) -> Autoencoder:
    """An autoencoder that sees its input through noise and answers with the clean one. Vincent et al. (2010).

    Parameters
    ----------
    kind : "dense", or "convolutional", which has convolutions and pools in front of the code, and needs images
    input_shape : of vectors (C,) or images (H, W, C); for convolutions, H and W divisible by 2 for each width
    widths : units of the dense layers between input and code, (256,) by default, or channels of the convolutions, each with
        a pool, (16, 32) by default
    code : numbers in the code
    noise : a layer of noise, dropout among them, or a Sequential of some; None takes GaussianNoise(0.3)
    activation : of all layers but the code, which is linear, and the output
    loss : "bce" for data in 0..1 (the output is a sigmoid, trained as if from logits); others get a linear output

    Adam at `learning_rate`.
    """
    noise = GaussianNoise(0.3) if noise is None else noise
    leaves = noise.leaves() if isinstance(noise, Layer) else []
    if not leaves or not all(leaf.random and not isinstance(leaf, (GaussianSampling, _Penalty)) for leaf in leaves):
        raise SettingError(f"noise must be a layer of noise, such as MaskingNoise(0.3), got {noise!r}")
    settings = kind, input_shape, widths, activation, loss, learning_rate, seed, dtype, backend
    return variant(*settings, entrance=[noise], head=[Dense(code)])


def sparse(
    kind="dense",
    input_shape=(28, 28, 1),
    widths=None,
    code=128,
    penalty="l1",
    weight=None,
    target=0.1,
    activation="relu",
    loss="bce",
    learning_rate=0.001,
    seed=0,
    dtype="float32",
    backend="cpu",
) -> Autoencoder:
    """An autoencoder of which few units answer each input; `model.code_statistics(x)` says how few. Other settings as in
    `denoising`.

    Parameters
    ----------
    penalty : "l1", on a code of rectified units, or "kl", on a code of sigmoid units
    weight : of the penalty; None takes 1e-3 for "l1", 5e-3 for "kl"
    target : wanted mean activation of a unit; of "kl" alone
    """
    if penalty not in ("l1", "kl"):
        raise SettingError(f"penalty must be 'l1' or 'kl', got {penalty!r}")
    if penalty == "l1":
        head = [Dense(code, "relu"), L1Penalty(1e-3 if weight is None else weight)]
    else:
        head = [Dense(code, "sigmoid"), KLSparsity(5e-3 if weight is None else weight, target)]
    settings = kind, input_shape, widths, activation, loss, learning_rate, seed, dtype, backend
    return variant(*settings, head=head)


def contractive(
    kind="dense",
    input_shape=(28, 28, 1),
    widths=None,
    code=32,
    weight=1e-3,
    estimator="finite_difference",
    activation="relu",
    loss="bce",
    learning_rate=0.001,
    seed=0,
    dtype="float32",
    backend="cpu",
) -> Autoencoder:
    """An autoencoder whose code barely moves when the input does. Rifai et al. (2011). The code is one of sigmoid units.

    `weight` and `estimator` as in `ContractivePenalty`: "finite_difference" charges the Jacobian of the whole encoder,
    "exact" that of its last layer. Other settings as in `denoising`.
    """
    settings = kind, input_shape, widths, activation, loss, learning_rate, seed, dtype, backend
    return variant(*settings, head=[Dense(code, "sigmoid"), ContractivePenalty(weight, estimator)])


def variational(
    kind="dense",
    input_shape=(28, 28, 1),
    widths=None,
    code=16,
    beta=1.0,
    activation="relu",
    loss="bce",
    learning_rate=0.001,
    seed=0,
    dtype="float32",
    backend="cpu",
) -> Autoencoder:
    """The variational autoencoder: its loss is summed over an image, so with beta = 1 the objective is the exact negative
    evidence lower bound in nats. Kingma and Welling (2013). A loss given as an object must have reduction="per_image".

    `beta` as in `GaussianSampling`; other settings as in `denoising`.
    """
    settings = kind, input_shape, widths, activation, loss, learning_rate, seed, dtype, backend
    return variant(*settings, head=[Dense(2 * shapes.integer(code, "code")), GaussianSampling(beta)], per_image=True)


def conditional_variational(
    kind="dense",
    input_shape=(28, 28, 1),
    classes=10,
    widths=None,
    code=16,
    beta=1.0,
    activation="relu",
    loss="bce",
    learning_rate=0.001,
    seed=0,
    dtype="float32",
    backend="cpu",
) -> Autoencoder:
    """A variational autoencoder whose encoder and decoder know the class of each sample. Sohn et al. (2015).

        model.fit(mc.conditioned(x, labels), x)        model.sample(10, label=3)

    The code that `encode` gives has the label behind it, one-hot. `input_shape` is that of x without labels, `classes` the
    number of classes; other settings as in `variational`.
    """
    settings = kind, input_shape, widths, activation, loss, learning_rate, seed, dtype, backend
    head = [Dense(2 * shapes.integer(code, "code")), GaussianSampling(beta), AppendLabels(classes)]
    return variant(*settings, head=head, per_image=True, classes=classes)
