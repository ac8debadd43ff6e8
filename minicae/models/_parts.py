"""What the ready networks are made of: layers down to a code, layers up again, a loss that suits."""

import math

from minicae import shapes
from minicae.config import pick
from minicae.errors import SettingError
from minicae.layers import (
    Activation,
    AppendLabels,
    Conv2D,
    Dense,
    Flatten,
    MaxPooling2D,
    Reshape,
    SplitLabels,
    UpSampling2D,
)
from minicae.losses import BinaryCrossEntropy, Loss, MeanAbsoluteError, MeanSquaredError
from minicae.models.autoencoder import Autoencoder
from minicae.optimizers import Adam


def variant(
    kind,
    input_shape,
    widths,
    activation,
    loss,
    learning_rate,
    seed,
    dtype,
    backend,
    *,
    head,
    entrance=(),
    per_image=False,
    classes=None,
):
    """A compiled model: entrance, layers of `kind` down to vectors, head; and from the code up again.

    Parameters
    ----------
    kind, input_shape, widths, activation, loss, learning_rate, seed, dtype, backend : as in `zoo.denoising`
    head : the layers that make the code of a vector
    entrance : layers that see the input first
    per_image : whether the loss is summed over an image
    classes : None, or how many labels the encoder is told of
    """
    if kind not in ("dense", "convolutional"):
        raise SettingError(f"kind must be 'dense' or 'convolutional', got {kind!r}")
    input_shape = shapes.sizes(input_shape, "input_shape")
    if widths is None:
        widths = (256,) if kind == "dense" else (16, 32)
    widths = shapes.sizes(widths, "widths")
    output = output_for(loss)
    labels = [] if classes is None else [AppendLabels(classes)]
    encoder, decoder = [SplitLabels(), *entrance] if labels else list(entrance), []
    if kind == "dense":
        flat = [Flatten()] if len(input_shape) > 1 else []
        encoder += [*flat, *labels, *(Dense(width, activation) for width in widths)]
        decoder += [*(Dense(width, activation) for width in widths[::-1]), Dense(math.prod(input_shape))]
        decoder += [Reshape(input_shape)] if flat else []
        decoder += [Activation(output)] if output != "linear" else []
    else:
        down, maps = convolutions(input_shape, widths, activation, pool_last=True)
        encoder += [*labels, *down, Flatten()]
        decoder += [Dense(math.prod(maps), activation), Reshape(maps), UpSampling2D(2)]
        decoder += upward(input_shape[-1], widths, 3, "nearest", activation, output)
    if per_image:
        loss = per_image_loss(loss)
    shape = (*input_shape[:-1], input_shape[-1] + 1) if labels else input_shape
    return compiled([*encoder, *head], decoder, shape, loss, learning_rate, seed, dtype, backend)


def output_for(loss) -> str:
    """What a model ends with for this loss, a name or an object: a sigmoid where it takes probabilities, else nothing."""
    probabilities = loss == "bce" or getattr(loss, "from_logits", None) is False
    return "sigmoid" if probabilities else "linear"


def per_image_loss(loss) -> Loss:
    """The loss of this name summed over an image, as an objective in nats needs it; SettingError for one that is a mean."""
    if isinstance(loss, Loss):
        if loss.reduction != "per_image":
            raise SettingError(
                f"{loss!r} is a mean over the elements, which makes no evidence lower bound with a divergence in nats: give"
                ' it reduction="per_image", or its name, which stands for that here'
            )
        return loss
    named = {
        "bce": lambda: BinaryCrossEntropy(reduction="per_image"),
        "bce_logits": lambda: BinaryCrossEntropy(from_logits=True, reduction="per_image"),
        "mse": lambda: MeanSquaredError("per_image"),
        "mae": lambda: MeanAbsoluteError("per_image"),
    }
    return pick(loss, named, Loss, "loss")


def convolutions(input_shape, filters, activation, pool_last=False):
    """(convolutions with a pool between them, or behind each, the shape that comes out)."""
    if len(input_shape) != 3:
        raise SettingError(f"input_shape must be (H, W, C), got {input_shape}")
    H, W, _ = input_shape
    times = len(filters) - (not pool_last)
    factor = 2**times
    if H % factor or W % factor:
        raise SettingError(
            f"{H}x{W} cannot be halved {times} times: pad to a multiple of {factor}, or give fewer filters"
        )
    layers = []
    for count in filters:
        layers += [Conv2D(count, 3, activation=activation), MaxPooling2D(2)]
    return layers if pool_last else layers[:-1], (H // factor, W // factor, filters[-1])


def upward(channels, filters, last_kernel, interpolation, activation, output):
    """From maps of filters[-1] channels up to images: convolution and upsampling, and the last convolution."""
    layers = []
    for count in filters[-2::-1]:
        layers += [Conv2D(count, 3, activation=activation), UpSampling2D(2, interpolation)]
    return [*layers, Conv2D(channels, last_kernel, activation=output)]


def compiled(encoder, decoder, input_shape, loss, learning_rate, seed, dtype, backend) -> Autoencoder:
    """An autoencoder of these layers, compiled with Adam."""
    model = Autoencoder(encoder, decoder, input_shape, seed, dtype, backend)
    model.compile(loss, Adam(learning_rate))
    return model
