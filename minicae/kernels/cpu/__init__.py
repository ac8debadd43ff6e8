"""The fast backend: compiled by Numba, one thread pool, vector instructions chosen from the host.

Read `conv.py` first, then `_gemm.py`, `_patches.py` and `_micro.py`: that is the way of a convolution down to the
registers. Files that start with `_` are private; the others hold the kernels, with the names and signatures of `reference`.
"""

from minicae.kernels.cpu.activation import (
    activation_backward,
    activation_forward,
    softmax_backward,
    softmax_forward,
)
from minicae.kernels.cpu.conv import (
    conv2d_algorithm,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
    conv2d_transpose_backward_input,
    conv2d_transpose_backward_weight,
    conv2d_transpose_forward,
)
from minicae.kernels.cpu.dense import dense_backward, dense_backward_input, dense_backward_weight, dense_forward
from minicae.kernels.cpu.facts import compile_for as compile_for
from minicae.kernels.cpu.facts import facts as facts
from minicae.kernels.cpu.guard import clip_by_norm, clip_by_value, keep_if_finite
from minicae.kernels.cpu.loss import (
    bce_backward,
    bce_forward,
    bce_logits_backward,
    bce_logits_forward,
    mae_backward,
    mae_forward,
    mse_backward,
    mse_forward,
)
from minicae.kernels.cpu.memory import add, append_one_hot, crop2d, pad2d, scale, transpose
from minicae.kernels.cpu.memory import download as download
from minicae.kernels.cpu.memory import empty as empty
from minicae.kernels.cpu.memory import upload as upload
from minicae.kernels.cpu.noise import (
    dropout_backward,
    dropout_forward,
    gaussian_noise_forward,
    occlusion_backward,
    occlusion_forward,
    salt_pepper_backward,
    salt_pepper_forward,
)
from minicae.kernels.cpu.norm import batchnorm_backward, batchnorm_follow, batchnorm_forward, batchnorm_statistics
from minicae.kernels.cpu.optim import adam_step, nadam_step, rmsprop_step, sgd_step
from minicae.kernels.cpu.penalty import (
    contractive_backward,
    contractive_forward,
    kl_sparsity_backward,
    kl_sparsity_forward,
    l1_backward,
    l1_forward,
    l2_backward,
    l2_forward,
)
from minicae.kernels.cpu.pool import (
    avgpool2d_backward,
    avgpool2d_forward,
    maxpool2d_backward,
    maxpool2d_forward,
)
from minicae.kernels.cpu.sampling import (
    gaussian_kl_backward,
    gaussian_kl_forward,
    gaussian_sample_backward,
    gaussian_sample_forward,
)
from minicae.kernels.cpu.upsample import (
    upsample_bilinear_backward,
    upsample_bilinear_forward,
    upsample_nearest_backward,
    upsample_nearest_forward,
)

__all__ = [
    "dense_forward",
    "dense_backward",
    "dense_backward_input",
    "dense_backward_weight",
    "conv2d_forward",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_transpose_forward",
    "conv2d_transpose_backward_input",
    "conv2d_transpose_backward_weight",
    "conv2d_algorithm",
    "maxpool2d_forward",
    "maxpool2d_backward",
    "avgpool2d_forward",
    "avgpool2d_backward",
    "upsample_nearest_forward",
    "upsample_nearest_backward",
    "upsample_bilinear_forward",
    "upsample_bilinear_backward",
    "activation_forward",
    "activation_backward",
    "softmax_forward",
    "softmax_backward",
    "batchnorm_statistics",
    "batchnorm_follow",
    "batchnorm_forward",
    "batchnorm_backward",
    "mse_forward",
    "mse_backward",
    "mae_forward",
    "mae_backward",
    "bce_forward",
    "bce_backward",
    "bce_logits_forward",
    "bce_logits_backward",
    "gaussian_sample_forward",
    "gaussian_sample_backward",
    "gaussian_kl_forward",
    "gaussian_kl_backward",
    "l1_forward",
    "l1_backward",
    "l2_forward",
    "l2_backward",
    "kl_sparsity_forward",
    "kl_sparsity_backward",
    "contractive_forward",
    "contractive_backward",
    "dropout_forward",
    "dropout_backward",
    "gaussian_noise_forward",
    "salt_pepper_forward",
    "salt_pepper_backward",
    "occlusion_forward",
    "occlusion_backward",
    "sgd_step",
    "rmsprop_step",
    "adam_step",
    "nadam_step",
    "pad2d",
    "crop2d",
    "add",
    "append_one_hot",
    "keep_if_finite",
    "clip_by_norm",
    "clip_by_value",
    "scale",
    "transpose",
]
