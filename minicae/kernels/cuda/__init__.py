"""The backend for NVIDIA's GPUs, written with numba.cuda: kernels take arrays that lie on the device.

`empty`, `upload` and `download` make such arrays and move numbers there and back. Read _launch first, then memory, whose
kernels are the simplest, _reduce for sums, _gemm for the products that most of the time goes into, and _queue for how the
launches of a training step become one. Nothing waits for the device except `download`, and `float` or `bool` of what the
two kernels with an answer give, `keep_if_finite` and `kl_sparsity_forward`. Sums are added in a fixed order: the same
numbers give the same bits.
"""

from minicae.kernels.cuda._queue import pinned as pinned
from minicae.kernels.cuda._queue import together as together
from minicae.kernels.cuda.activation import (
    activation_backward,
    activation_forward,
    softmax_backward,
    softmax_forward,
)
from minicae.kernels.cuda.conv import (
    conv2d_algorithm,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
    conv2d_transpose_backward_input,
    conv2d_transpose_backward_weight,
    conv2d_transpose_forward,
)
from minicae.kernels.cuda.dense import dense_backward, dense_backward_input, dense_backward_weight, dense_forward
from minicae.kernels.cuda.facts import compile_for as compile_for
from minicae.kernels.cuda.facts import facts as facts
from minicae.kernels.cuda.guard import clip_by_norm, clip_by_value, keep_if_finite
from minicae.kernels.cuda.loss import (
    bce_backward,
    bce_forward,
    bce_logits_backward,
    bce_logits_forward,
    mae_backward,
    mae_forward,
    mse_backward,
    mse_forward,
)
from minicae.kernels.cuda.memory import add, append_one_hot, crop2d, pad2d, scale, transpose
from minicae.kernels.cuda.memory import download as download
from minicae.kernels.cuda.memory import empty as empty
from minicae.kernels.cuda.memory import upload as upload
from minicae.kernels.cuda.noise import (
    dropout_backward,
    dropout_forward,
    gaussian_noise_forward,
    occlusion_backward,
    occlusion_forward,
    salt_pepper_backward,
    salt_pepper_forward,
)
from minicae.kernels.cuda.norm import batchnorm_backward, batchnorm_follow, batchnorm_forward, batchnorm_statistics
from minicae.kernels.cuda.optim import adam_step, nadam_step, rmsprop_step, sgd_step
from minicae.kernels.cuda.penalty import (
    contractive_backward,
    contractive_forward,
    kl_sparsity_backward,
    kl_sparsity_forward,
    l1_backward,
    l1_forward,
    l2_backward,
    l2_forward,
)
from minicae.kernels.cuda.pool import avgpool2d_backward, avgpool2d_forward, maxpool2d_backward, maxpool2d_forward
from minicae.kernels.cuda.sampling import (
    gaussian_kl_backward,
    gaussian_kl_forward,
    gaussian_sample_backward,
    gaussian_sample_forward,
)
from minicae.kernels.cuda.upsample import (
    upsample_bilinear_backward,
    upsample_bilinear_forward,
    upsample_nearest_backward,
    upsample_nearest_forward,
)

__all__ = [
    "activation_backward",
    "activation_forward",
    "adam_step",
    "add",
    "append_one_hot",
    "avgpool2d_backward",
    "avgpool2d_forward",
    "batchnorm_backward",
    "batchnorm_follow",
    "batchnorm_forward",
    "batchnorm_statistics",
    "bce_backward",
    "bce_forward",
    "bce_logits_backward",
    "bce_logits_forward",
    "contractive_backward",
    "contractive_forward",
    "conv2d_algorithm",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_forward",
    "conv2d_transpose_backward_input",
    "conv2d_transpose_backward_weight",
    "conv2d_transpose_forward",
    "crop2d",
    "dense_backward_input",
    "dense_backward_weight",
    "dense_forward",
    "dense_backward",
    "dropout_backward",
    "dropout_forward",
    "gaussian_kl_backward",
    "gaussian_kl_forward",
    "gaussian_noise_forward",
    "gaussian_sample_backward",
    "gaussian_sample_forward",
    "kl_sparsity_backward",
    "kl_sparsity_forward",
    "l1_backward",
    "l1_forward",
    "l2_backward",
    "l2_forward",
    "mae_backward",
    "mae_forward",
    "maxpool2d_backward",
    "maxpool2d_forward",
    "mse_backward",
    "mse_forward",
    "nadam_step",
    "occlusion_backward",
    "occlusion_forward",
    "pad2d",
    "rmsprop_step",
    "salt_pepper_backward",
    "salt_pepper_forward",
    "sgd_step",
    "softmax_backward",
    "softmax_forward",
    "clip_by_norm",
    "clip_by_value",
    "keep_if_finite",
    "scale",
    "transpose",
    "upsample_bilinear_backward",
    "upsample_bilinear_forward",
    "upsample_nearest_backward",
    "upsample_nearest_forward",
]

ON_DEVICE = True  # kernels take what `empty` makes, not NumPy's arrays
