"""What training, evaluation and prediction take, so that work which would not fit in memory is refused before it begins."""

from minicae import shapes
from minicae.memory import require


def require_for_training(trainer, batch_size: int) -> None:
    """SettingError where a step on so many samples would take more memory than there is.

    Counted are each layer's output, the gradient of its input, and the vectors of the optimizer that are still to be made:
    a little less than what a step takes, so that nothing is refused that would fit.
    """
    model, optimizer = trainer.model, trainer.optimizer
    if model.away:
        return  # a device has memory of its own
    missing = sum(name not in optimizer.state for name in optimizer._moments) + (trainer.last_good is None)
    vectors = model.parameters.values.nbytes * missing
    require(
        vectors + _more(model, 2 * _activations(model, batch_size)),
        f"a step of {batch_size} samples",
        "choose a smaller batch_size, or a smaller model",
    )


def require_for_prediction(chain, samples: int, batch_size: int) -> None:
    """SettingError where the outputs for so many samples, and the activations of one batch, would not fit."""
    outputs = samples * shapes.count(chain.output_shape) * chain.dtype.itemsize
    require(
        outputs + _more(chain, _activations(chain, min(samples, batch_size))),
        f"a prediction for {samples} samples in batches of {batch_size}",
        "give fewer samples at a time, or a smaller batch_size",
    )


def require_for_evaluation(chain, batch_size: int) -> None:
    """SettingError where the activations of one batch would not fit."""
    require(
        _more(chain, _activations(chain, batch_size)),
        f"an evaluation of {batch_size} samples at a time",
        "choose a smaller batch_size",
    )


def _activations(chain, samples):
    """Bytes of the outputs of all layers."""
    return samples * chain.dtype.itemsize * sum(shapes.count(leaf.output_shape) for leaf in chain.leaves())


def _more(chain, size):
    """Bytes of `size` that are still to be taken: layers keep their buffers from batch to batch."""
    return max(0, size - sum(held.nbytes for leaf in chain.leaves() for held in leaf.saved.buffers.values()))
