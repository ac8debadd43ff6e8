"""The bodies of the other backends' tests, with small arrays: in the simulator, each number is a thread of Python's."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.kernels import (
    strategies,
    test_elementwise,
    test_guard,
    test_linear_kernels,
    test_objectives,
    test_optim,
    test_through,
)
from tests.kernels import test_pool_upsample as pooling
from tests.kernels.strategies import DTYPES

LOSSES = {"loss": list(test_objectives.LOSSES)}
CURVES = {"activation": list(naive.ACTIVATIONS)}
BODIES = [  # and the values of every parameter but the dtype
    (test_elementwise.test_activations_and_their_slopes, CURVES | {"shape": [(5, 7)]}),
    (test_elementwise.test_activations_work_in_place, CURVES),
    (test_elementwise.test_activations_at_the_ends_of_the_line, CURVES),
    (test_elementwise.test_activations_keep_a_nan_and_an_empty_batch, CURVES),
    (test_elementwise.test_at_the_kink_the_slope_is_that_of_the_left, {}),
    (test_elementwise.test_softmax, {"shape": [(4, 5), (2, 3, 2, 3), (3, 1), (5, 70)]}),
    (test_elementwise.test_softmax_of_large_numbers_and_of_a_nan, {}),
    (test_elementwise.test_batchnorm, {"shape": [(7, 3), (2, 3, 4, 5), (130, 1)], "training": [True, False]}),
    (test_elementwise.test_dropout_by_hand, {}),
    (test_elementwise.test_gaussian_noise_by_hand, {}),
    (test_elementwise.test_salt_and_pepper_by_hand, {}),
    (test_elementwise.test_occlusion_by_hand, {}),
    (test_elementwise.test_pad_and_crop_are_adjoint, {"shape": [(2, 3, 4, 3)]}),
    (test_elementwise.test_labels_go_behind_the_channels, {"shape": [(8, 3), (8, 2, 3, 1)], "classes": [4]}),
    (test_elementwise.test_a_label_between_two_classes_is_rounded_to_the_even_one, {}),
    (test_elementwise.test_no_samples_have_no_labels, {}),
    (test_elementwise.test_transpose, {}),
    (test_elementwise.test_running_statistics_move_a_share_of_the_way, {}),
    (test_elementwise.test_running_statistics_keep_no_trace_of_a_bad_batch, {"bad": [np.nan, np.inf]}),
    (test_elementwise.test_add, {}),
    (test_guard.test_finite_gradients_keep_the_values, {"size": [0, 1, 100]}),
    (test_guard.test_others_must_be_finite_too, {"place": [0, 1, 2], "bad": [1.0, np.nan, np.inf]}),
    (test_objectives.test_losses_and_their_gradients, LOSSES | {"shape": [(1, 1), (3, 7), (2, 5, 4, 3)]}),
    (test_objectives.test_gradients_by_hand, {}),
    (test_objectives.test_a_nan_stays_in_its_image, LOSSES),
    (test_objectives.test_an_empty_batch_has_no_losses, LOSSES),
    (test_objectives.test_sums_are_float64, {}),
    (test_objectives.test_sampling_and_its_gradient, {"N": [5], "d": [1, 3]}),
    (test_objectives.test_gaussian_kl_and_its_gradient, {"N": [5], "d": [1, 3]}),
    (test_objectives.test_gaussian_kl_by_hand, {}),
    (test_objectives.test_l1_and_l2_by_hand, {}),
    (test_objectives.test_kl_sparsity, {}),
    (test_objectives.test_kl_sparsity_by_hand, {}),
    (test_objectives.test_contractive, CURVES),
    (test_through.test_backward_through_an_activation_keeps_a_nan, {"C": [3]}),
    (test_optim.test_sgd, {"momentum": [0.0, 0.9], "nesterov": [False], "weight_decay": [0.0, 0.2]}),
    (test_optim.test_sgd, {"momentum": [0.9], "nesterov": [True], "weight_decay": [0.2]}),
    (test_optim.test_sgd_decays_no_weight_unless_it_is_told_to, {}),
    (test_optim.test_rmsprop, {}),
    (test_optim.test_adam, {"weight_decay": [0.0, 0.2]}),
    (test_optim.test_nadam, {}),
    (test_optim.test_the_first_step_of_adam_is_the_learning_rate, {}),
    (test_optim.test_a_nan_gradient_stays_with_its_weight, {}),
    (pooling.test_of_equal_pixels_the_first_takes_the_gradient, {}),
    (pooling.test_padding_never_wins, {}),
    (pooling.test_one_channel_and_several_images, {}),
    (pooling.test_window_and_strides_have_a_height_and_a_width, {}),
    (pooling.test_average_says_whether_it_counts_the_padding, {}),
    (pooling.test_a_nan_wins_its_windows_and_no_others, {}),
    (pooling.test_an_image_of_minus_infinities_stays_inside_its_arrays, {}),
    (pooling.test_nearest_backward_adds_up_the_block, {}),
    (pooling.test_bilinear_by_hand, {}),
    (pooling.test_a_window_of_more_than_256_places, {}),
    (pooling.test_an_empty_batch_goes_forward, {}),
    (test_linear_kernels.test_an_empty_batch_goes_forward, {}),
    (test_linear_kernels.test_a_nan_stays_visible, CURVES),
]


def cases():
    found = []
    for body, values in BODIES:
        for chosen in itertools.product(*values.values()):
            found.append(pytest.param(body, dict(zip(values, chosen)), id="-".join([body.__name__, *map(str, chosen)])))
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("body, arguments", cases())
def test_as_the_other_backends(backend, body, arguments, dtype):
    body(backend, dtype=dtype, **arguments)


BIASED = {"activation": test_linear_kernels.exact_activations, "biased": st.booleans()}
DRAWN = [  # bodies that Hypothesis calls, and what it draws for them
    (test_linear_kernels.test_dense_is_exact_on_integers, {"case": strategies.dense(), **BIASED}),
    (test_linear_kernels.test_conv2d_is_exact_on_integers, {"case": strategies.conv2d(), **BIASED}),
    (test_linear_kernels.test_conv2d_transpose_is_exact_on_integers, {"case": strategies.conv2d(), **BIASED}),
    (pooling.test_maxpool2d_is_exact, {"case": strategies.pool2d()}),
    (pooling.test_avgpool2d_is_exact, {"case": strategies.pool2d(multiple=36), "count_padding": st.booleans()}),
    (pooling.test_upsample_nearest_is_exact, {"case": strategies.blocks()}),
    (pooling.test_upsample_bilinear_by_powers_of_two_is_exact, {"case": strategies.resize(exact=True)}),
    (pooling.test_upsample_bilinear_to_any_size, {"case": strategies.resize(exact=False)}),
]


@pytest.mark.parametrize("body, drawn", [pytest.param(*case, id=case[0].__name__) for case in DRAWN])
def test_as_the_other_backends_on_drawn_cases(backend, body, drawn):
    @settings(max_examples=6)
    @given(st.fixed_dictionaries(drawn))
    def holds(arguments):
        body.hypothesis.inner_test(backend, **arguments)

    holds()
