"""Networks ready to train: each comes compiled, with a loss and initialisers that learn from the first step."""

import math

from minicae import shapes
from minicae.errors import SettingError
from minicae.layers import Conv2D, Dense, Flatten, MaxPooling2D, Reshape, UpSampling2D
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
) -> Autoencoder:
    """5-4-3-2-3-4-5, or any sizes: dense layers down to the narrowest and up again.

    `sizes` as one number a layer, the input first; given only the first half, such as (784, 100, 30), it is mirrored.
    `output_activation` None takes what suits the loss: a sigmoid for "bce", else linear.
    """
    sizes = shapes.sizes(sizes, "sizes")
    if len(sizes) < 2:
        raise SettingError(f"sizes must name the input and at least one layer, got {sizes}")
    if sizes[-1] != sizes[0]:
        sizes = sizes + sizes[-2::-1]
    middle = len(sizes) // 2
    if output_activation is None:
        output_activation = "sigmoid" if loss == "bce" else "linear"
    layers = [Dense(size, activation) for size in sizes[1:-1]] + [Dense(sizes[-1], output_activation)]
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
    input_shape, filters = shapes.sizes(input_shape, "input_shape"), shapes.sizes(filters, "filters")
    if len(input_shape) != 3:
        raise SettingError(f"input_shape must be (H, W, C), got {input_shape}")
    H, W, C = input_shape
    factor = 2 ** (len(filters) - 1)
    if H % factor or W % factor:
        raise SettingError(
            f"{H}x{W} cannot be halved {len(filters) - 1} times: pad to a multiple of {factor}, or give fewer filters"
        )
    encoder, decoder = [], []
    for count in filters[:-1]:
        encoder += [Conv2D(count, 3, activation=activation), MaxPooling2D(2)]
    encoder.append(Conv2D(filters[-1], 3, activation=activation))
    if code is not None:
        maps = (H // factor, W // factor, filters[-1])
        encoder += [Flatten(), Dense(code)]
        decoder += [Dense(math.prod(maps), activation), Reshape(maps)]
    for count in filters[-2::-1]:
        decoder += [Conv2D(count, 3, activation=activation), UpSampling2D(2, interpolation)]
    decoder.append(Conv2D(C, last_kernel, activation="sigmoid" if loss == "bce" else "linear"))
    model = Autoencoder(encoder, decoder, input_shape, seed, dtype, backend)
    model.compile(loss, Adam(learning_rate))
    return model
