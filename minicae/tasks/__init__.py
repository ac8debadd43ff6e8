"""What a trained autoencoder is for, each use with a number that judges it and a baseline beside that number.

    features.py     reduce dimensions: codes against principal components and raw pixels
    probes.py       what is to be read off a code by a linear map; clusters.py, neighbours.py: by its distances
    denoising.py    take noise away, against a median filter
    inpainting.py   fill what is missing, against the mean image
    anomaly.py      find what is unlike the training data, against principal components
    generation.py   make new samples, walk between two, against a Gaussian
    pca.py          the baseline of most of these, with an autoencoder's verbs

A model is anything with `encode`, `decode`, `reconstruct` and `reconstruction_error`: an `Autoencoder`, or `PCA`. Nothing
here trains one. Functions called `..._report` give a `Report`, which prints as a table.
"""

from minicae.tasks.anomaly import AnomalyDetector, anomaly_report
from minicae.tasks.clusters import kmeans
from minicae.tasks.denoising import denoise, denoising_report, median_filter
from minicae.tasks.features import feature_report, features, reduction_report
from minicae.tasks.generation import conditional_samples, generation_report, interpolate, sample_grid
from minicae.tasks.inpainting import (
    half_mask,
    inpaint,
    inpainting_report,
    masked_error,
    random_mask,
    square_mask,
)
from minicae.tasks.neighbours import knn_accuracy, trustworthiness
from minicae.tasks.pca import PCA
from minicae.tasks.probes import LinearProbe, Ridge, linear_probe, ridge
from minicae.tasks.report import Report

__all__ = [
    "PCA",
    "AnomalyDetector",
    "LinearProbe",
    "Report",
    "Ridge",
    "anomaly_report",
    "conditional_samples",
    "denoise",
    "denoising_report",
    "feature_report",
    "features",
    "generation_report",
    "half_mask",
    "inpaint",
    "inpainting_report",
    "interpolate",
    "kmeans",
    "knn_accuracy",
    "linear_probe",
    "masked_error",
    "median_filter",
    "random_mask",
    "reduction_report",
    "ridge",
    "sample_grid",
    "square_mask",
    "trustworthiness",
]
