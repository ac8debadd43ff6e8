"""The readable backend: NumPy only, one idea a file; the definition that every other backend is held to.

Read dense, then activation, then conv, which turns a convolution into a dense layer; the rest in any order.
"""

from minicae.kernels.reference.activation import (
    activation_backward,
    activation_forward,
    softmax_backward,
    softmax_forward,
)
from minicae.kernels.reference.conv import (
    conv2d_algorithm,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv2d_forward,
    conv2d_transpose_backward_input,
    conv2d_transpose_backward_weight,
    conv2d_transpose_forward,
)
from minicae.kernels.reference.dense import dense_backward, dense_backward_input, dense_backward_weight, dense_forward
from minicae.kernels.reference.facts import compile_for as compile_for
from minicae.kernels.reference.facts import facts as facts
from minicae.kernels.reference.guard import clip_by_norm, clip_by_value, keep_if_finite
from minicae.kernels.reference.loss import (
    bce_backward,
    bce_forward,
    bce_logits_backward,
    bce_logits_forward,
    mae_backward,
    mae_forward,
    mse_backward,
    mse_forward,
)
from minicae.kernels.reference.memory import add, append_one_hot, crop2d, pad2d, scale, transpose
from minicae.kernels.reference.memory import download as download
from minicae.kernels.reference.memory import empty as empty
from minicae.kernels.reference.memory import upload as upload
from minicae.kernels.reference.noise import (
    dropout_backward,
    dropout_forward,
    gaussian_noise_forward,
    occlusion_backward,
    occlusion_forward,
    salt_pepper_backward,
    salt_pepper_forward,
)
from minicae.kernels.reference.norm import batchnorm_backward, batchnorm_follow, batchnorm_forward, batchnorm_statistics
from minicae.kernels.reference.optim import adam_step, nadam_step, rmsprop_step, sgd_step
from minicae.kernels.reference.penalty import (
    contractive_backward,
    contractive_forward,
    kl_sparsity_backward,
    kl_sparsity_forward,
    l1_backward,
    l1_forward,
    l2_backward,
    l2_forward,
)
from minicae.kernels.reference.pool import avgpool2d_backward, avgpool2d_forward, maxpool2d_backward, maxpool2d_forward
from minicae.kernels.reference.sampling import (
    gaussian_kl_backward,
    gaussian_kl_forward,
    gaussian_sample_backward,
    gaussian_sample_forward,
)
from minicae.kernels.reference.upsample import (
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
    "keep_if_finite",
    "clip_by_norm",
    "clip_by_value",
    "scale",
    "transpose",
    "upsample_bilinear_backward",
    "upsample_bilinear_forward",
    "upsample_nearest_backward",
    "upsample_nearest_forward",
]
