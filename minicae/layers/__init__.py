"""Layers. Read `base.py` for what a layer is, then `dense.py`, then `conv.py`."""

from minicae.layers.activation import ELU, Activation, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from minicae.layers.base import Layer
from minicae.layers.chain import Chain
from minicae.layers.condition import AppendLabels, SplitLabels
from minicae.layers.contractive import ContractivePenalty
from minicae.layers.conv import Conv2D, Conv2DTranspose
from minicae.layers.dense import Dense
from minicae.layers.noise import Dropout, GaussianNoise, MaskingNoise, OcclusionNoise, SaltAndPepperNoise
from minicae.layers.norm import BatchNormalization
from minicae.layers.penalty import KLSparsity, L1Penalty, L2Penalty
from minicae.layers.pool import AveragePooling2D, MaxPooling2D
from minicae.layers.sampling import GaussianSampling
from minicae.layers.shape import Cropping2D, Flatten, Reshape, ZeroPadding2D
from minicae.layers.tied import Tied
from minicae.layers.upsample import UpSampling2D

__all__ = [
    "Activation",
    "AppendLabels",
    "AveragePooling2D",
    "BatchNormalization",
    "Chain",
    "ContractivePenalty",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping2D",
    "Dense",
    "Dropout",
    "ELU",
    "Flatten",
    "GaussianNoise",
    "GaussianSampling",
    "KLSparsity",
    "L1Penalty",
    "L2Penalty",
    "Layer",
    "LeakyReLU",
    "MaskingNoise",
    "MaxPooling2D",
    "OcclusionNoise",
    "ReLU",
    "Reshape",
    "SaltAndPepperNoise",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SplitLabels",
    "Tanh",
    "Tied",
    "UpSampling2D",
    "ZeroPadding2D",
]
