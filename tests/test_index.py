"""Where to look: published results that hold exactly, traps of other libraries, and the test of each."""

import importlib
import re

import pytest

RESULTS = """
Goh 2017: rates and steps of gradient descent and momentum
    test_theory.test_rates
    test_theory.test_published_numbers_of_steps
Goh 2017: momentum is stable below 2(1 + μ)/λ, Nesterov's rule below (2 + 2μ)/((1 + 2μ)λ)
    test_theory.test_stability_flips_at_the_limit
Goh 2017, corrected: √β where the roots are complex
    test_theory.test_rate_where_the_roots_are_complex_is_the_root_of_the_momentum
Polyak 1964: agreeing gradients reach the speed 1/(1 − μ)
    test_optimizers.test_momentum_reaches_the_speed_of_a_constant_gradient
Glorot 2010, He 2015: variance through the layers
    test_initializers.test_variance_through_fifty_layers
Glorot 2010: U[±1/√n] leaves a third
    test_initializers.test_the_old_heuristic_keeps_a_third_of_the_variance
Saxe 2013: modes of a deep linear network
    test_training.test_a_deep_linear_network_learns_each_mode_along_its_sigmoid
Saxe 2013: orthogonal layers, thirty deep
    test_initializers.test_thirty_orthogonal_layers_keep_every_direction
Caffe: the positive unit ball, Σ w² ≈ 4/(3n)
    test_initializers.test_positive_unitball_destroys_the_variance
Ioffe 2015: BN(aWx) = BN(Wx)
    test_normalization.test_the_scale_of_weights_before_batch_norm_does_not_matter
Ioffe 2015: the identity at γ = √(σ² + ε), β = μ
    test_normalization.test_batch_norm_is_the_identity_where_gamma_and_beta_undo_it
Reddi 2018: Adam goes to the worst point, AMSGrad does not
    test_optimizers.test_adam_fails_where_amsgrad_does_not
Wilson 2017: AdaGrad gives all new examples one label
    test_optimizers.test_adagrad_fits_the_noise_where_gradient_descent_does_not
Loshchilov & Hutter 2019: L2 is decay for SGD, not for Adam
    test_optimizers.test_decay_is_the_penalty_for_sgd_and_not_for_adam
Schedules, step by step
    test_schedules.test_schedule_agrees_with_tensorflow
    test_schedules.test_one_cycle_agrees_with_pytorch
Srivastava 2014: dropout on a linear regression is ridge
    test_dropout.test_dropout_on_linear_regression_is_ridge
Huang 2017: a snapshot where a cosine ends
    test_ensembles.test_a_cycle_without_the_last_batch_still_ends_at_its_lowest_rate
Greydanus 2024: the frozen MNIST-1D
    test_datasets.test_mnist1d_is_the_frozen_dataset
"""

# What has gone wrong in real libraries, with one report of it.
TRAPS = """
1. batch norm in training with one value for a channel (pytorch#1381)
    test_normalization.test_one_value_for_a_channel_is_refused_in_training_and_fine_afterwards
    test_normalization.test_a_last_batch_of_one_is_refused_in_words_by_fit
2. an empty batch and the running statistics (pytorch#12013)
    test_normalization.test_an_empty_batch_leaves_the_running_statistics
3. the running variance: biased or not, over which n (pytorch#1410)
    test_normalization.test_running_variance_is_unbiased_and_counts_every_position
4. E[x²] − E[x]² below zero (flax#1491)
    test_normalization.test_variance_survives_a_large_mean_in_float32
5. a constant channel far from zero (BVLC/caffe#3963)
    test_normalization.test_equal_values_give_exactly_beta
6. squares that overflow (pytorch#178123)
    test_normalization.test_squares_that_overflow_give_beta_and_are_not_remembered
7. the root of a negative variance in RMSProp: not centred here (mxnet#6235)
    test_settings.test_misspelt_setting_is_answered_with_the_right_one
    test_optimizers.test_no_root_of_a_negative_number
8. half precision makes ε zero (chainer#6299)
    test_optimizers.test_integer_theta_is_refused
    test_parameters.test_only_floating_types_can_learn
9. a relative threshold of a metric below zero (pytorch#47513)
    test_schedules.test_relative_threshold_of_a_negative_metric_still_asks_for_progress
10. ε or ε̂ in Adam (tensorflow#9047)
    test_optimizers.test_adam_has_the_epsilon_of_the_paper
11. ε inside or outside the root in RMSProp (pytorch#26735)
    test_optimizers.test_rmsprop_has_epsilon_outside_the_root
12. the gradient of a norm at zero (pytorch#19126)
    test_normalization.test_a_unit_without_direction_gets_no_gradient_and_stays
    test_constraints.test_a_column_of_zeros_stays_zero
    test_clipping.test_a_gradient_of_zeros_and_an_empty_one_stay
13. dropout with rate 1, and of ∞ (flax#2055)
    test_dropout.test_rate_1_gives_zeros_not_nan
    test_dropout.test_what_is_dropped_is_0_even_where_it_was_infinite
14. clipping by a norm that is no number (pytorch#46849)
    test_clipping.test_a_gradient_that_is_not_finite_poisons_nothing
    test_clipping.test_it_may_be_refused_instead_and_is_then_left_as_it_was
15. the rate inside or outside the velocity (pytorch#1099)
    test_optimizers.test_velocity_keeps_the_old_rate_when_the_rate_is_cut
16. bad settings, made or assigned later (pytorch#6000)
    test_optimizers.test_bad_setting_is_refused_when_made_and_when_assigned
    test_settings.test_bad_setting_is_refused_when_made_and_when_assigned
17. one-cycle beyond its end, or without a way up (pytorch#38170)
    test_schedules.test_one_cycle_says_where_it_ends
    test_schedules.test_one_cycle_without_a_way_up_is_refused
18. a decay over no steps (pytorch#178295)
    test_schedules.test_every_bad_setting_is_refused_when_made_and_when_assigned
19. the first step is 0 for a schedule and 1 for a bias correction (nanoGPT#443)
    test_schedules.test_warmup_starts_above_zero_and_hands_over_its_first_rate
    test_schedules.test_optimizer_asks_for_step_0_first
    test_schedules.test_step_that_is_no_step_is_refused
    test_optimizers.test_the_first_step_of_adam_is_the_rate_however_large_the_gradient
20. the step on which a period is full (pytorch#11104)
    test_schedules.test_restarts_fall_on_the_step_where_a_period_is_full
    test_schedules.test_restarts_never_reach_the_minimum_and_always_the_top
21. the two in L2 (keras#4712)
    test_regularizers.test_l2_pulls_twice_as_hard_as_weight_decay_elsewhere
22. decay times the rate, or not (SGDR#4)
    test_optimizers.test_decay_is_multiplied_by_the_rate
23. fans, and Xavier's factor (caffe#4690)
    test_initializers.test_bounds_are_caffes
    test_initializers.test_xavier_and_msra_agree_with_pytorch
24. steps on whole numbers (numpy#7225)
    test_optimizers.test_integer_theta_is_refused
    test_normalization.test_whole_numbers_are_normalized_as_floats_are
25. Nadam's schedule of momentum (pytorch#59009)
    test_optimizers.test_nadam_has_the_momentum_decay_of_the_paper
"""


def entries(text):
    """(heading, [test, …]) of each."""
    for entry in re.split(r"\n(?=\S)", text.strip()):
        heading, *tests = entry.splitlines()
        yield heading, [test.strip() for test in tests]


INDEX = [*entries(RESULTS), *entries(TRAPS)]


@pytest.mark.parametrize(("heading", "tests"), INDEX, ids=[heading for heading, _ in INDEX])
def test_it_is_tested(heading, tests):
    assert tests
    for test in tests:
        file, name = test.split(".")
        assert callable(getattr(importlib.import_module(file), name, None)), test
