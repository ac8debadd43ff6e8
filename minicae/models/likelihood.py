"""How probable a variational model finds an image: the importance-weighted estimate of log p(x).

    log p(x) is about  log 1/K sum over k of p(x | z_k) p(z_k) / q(z_k | x),    z_k drawn from q(z | x)

The estimate is below log p(x) in expectation, grows with K and reaches it in the limit; K = 1 is the evidence lower bound.
The loss says what p(x | z) is:

    cross-entropy          Bernoulli, for targets 0 or 1 (what it gives for targets between is no probability)
    mean squared error     Gaussian, variance 1/2 for every element: (x - x_hat)^2 + log(pi) / 2
    mean absolute error    Laplace, scale 1: |x - x_hat| + log 2

Source: Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders" (2016).
"""

import copy
import math

import numpy as np

from minicae import shapes
from minicae.losses import MeanAbsoluteError, MeanSquaredError
from minicae.training.batches import Images

# what the loss leaves out of -log p(x | z), for each element, in nats
CONSTANTS = {MeanSquaredError: math.log(math.pi) / 2, MeanAbsoluteError: math.log(2)}


def log_likelihood(model, x, samples=64, seed=0, batch_size=64) -> np.ndarray:
    """The estimate for each image, (N,) float64, in nats.

    Parameters
    ----------
    model : a compiled Autoencoder whose encoder ends with `GaussianSampling`
    x : images (N, *input_shape), with their labels if the model takes them
    samples : codes drawn for each image, K
    seed : of the codes
    batch_size : images at a time; their codes depend on it

    Raises SettingError where the model is not compiled or not variational.
    """
    layer, loss = model.sampling_layer(), copy.copy(model.loss)
    samples, batch_size = shapes.integer(samples, "samples"), shapes.integer(batch_size, "batch_size")
    rng = np.random.default_rng(shapes.integer(seed, "seed", 0))
    loss.reduction = "per_image"
    constant = CONSTANTS.get(type(loss), 0.0) * shapes.count(model.output_shape)
    images, size = Images(x, model.input_shape, model.dtype).check_finite(), layer.output_shape[0]
    found = np.empty(len(images))
    for first in range(0, len(images), batch_size):
        rows = slice(first, min(first + batch_size, len(images)))
        batch = images.take(rows, np.empty((rows.stop - first, *images.shape), model.dtype))
        target = np.ascontiguousarray(model.without_labels(batch))
        codes = model.kernels.download(model.encoder.forward(batch))
        mu, log_var = (half.astype(np.float64) for half in np.split(model.home(layer.saved.x), 2, 1))
        weights = np.empty((len(batch), samples))
        for k in range(samples):
            noise = rng.standard_normal(mu.shape)
            z = mu + np.exp(log_var / 2) * noise
            codes[:, :size] = z
            ratio = (np.square(noise) + log_var - np.square(z)).sum(1) / 2  # log p(z) - log q(z | x)
            weights[:, k] = ratio - loss.per_image(model.home(model.decoder.forward(codes)), target) - constant
        top = weights.max(1)
        found[rows] = top + np.log(np.exp(weights - top[:, None]).mean(1))
    return found
