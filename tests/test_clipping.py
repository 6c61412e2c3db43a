"""Limits on the gradient: PyTorch's numbers, and gradients that are none."""

import json
from pathlib import Path

import numpy as np
import pytest
from concepts import OPTIMIZERS, named, problem, small_network
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import dlcourse as dl
from dlcourse.backend import to_device, to_host
from dlcourse.clipping import clip_by_norm, clip_by_value
from dlcourse.regularizers import L2
from dlcourse.settings import SettingError

ORACLE = json.loads((Path(__file__).parent / "oracles" / "regularization.json").read_text())
LOSS = dl.SoftmaxCrossEntropy()
BOTH = [clip_by_norm, clip_by_value]
GRADS = arrays("float32", st.integers(1, 40), elements=st.floats(-(2.0**100), 2.0**100, width=32))


@pytest.mark.parametrize("clip", BOTH)
def test_clipping_agrees_with_pytorch(clip):
    for answer in ORACLE[clip.__name__]:
        grad = np.array(answer["grad"])
        assert clip(grad, answer["limit"]) is grad
        np.testing.assert_allclose(grad, answer["clipped"], rtol=3e-6)  # PyTorch adds 1e-6 to the norm


@given(GRADS, st.floats(1e-3, 1e3))
def test_clip_by_norm_shortens_and_keeps_the_direction(grad, limit):
    before, norm = grad.astype(float), np.sqrt((grad.astype(float) ** 2).sum())
    clip_by_norm(grad, limit)
    if norm <= limit * (1 - 1e-5):
        np.testing.assert_array_equal(grad, before)  # exactly
    else:
        np.testing.assert_allclose(grad.astype(float), before * min(1, limit / norm), rtol=1e-4, atol=limit * 1e-6)
        assert np.sqrt((grad.astype(float) ** 2).sum()) <= limit * (1 + 1e-5)


@given(GRADS, st.floats(1e-3, 1e3))
def test_clip_by_value_is_entry_by_entry(grad, limit):
    expected = np.clip(grad, np.float32(-limit), np.float32(limit))
    np.testing.assert_array_equal(clip_by_value(grad, limit), expected)


BAD = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", BAD)
def test_a_gradient_that_is_not_finite_poisons_nothing(bad, dtype):
    grad = np.array([1.0, bad, -3.0], dtype)
    np.testing.assert_array_equal(clip_by_norm(grad, 1.0), [0, 0, 0])  # no direction, no step
    grad = np.array([0.25, bad, -3.0], dtype)
    np.testing.assert_array_equal(clip_by_value(grad, 0.5), [0.25, 0 if np.isnan(bad) else 0.5 * np.sign(bad), -0.5])


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("clip", BOTH)
def test_one_bad_lane_leaves_the_others_alone(clip, bad):
    grad = np.array([[3.0, 4.0], [bad, 1.0], [0.3, 0.4]])
    clip(grad, 1.0)
    np.testing.assert_allclose(grad[[0, 2]], [[0.6, 0.8] if clip is clip_by_norm else [1, 1], [0.3, 0.4]])
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("clip", BOTH)
def test_it_may_be_refused_instead_and_is_then_left_as_it_was(clip, bad):
    grad = np.array([1.0, bad, 2.0, bad])
    before = grad.copy()
    with pytest.raises(SettingError, match=rf"{clip.__name__}.grad must be finite; got grad='2 of 4 not finite'"):
        clip(grad, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(grad, before)
    assert clip(np.array([3.0]), 1.0, error_if_nonfinite=True) == [1]


def test_a_huge_gradient_does_not_overflow():
    grad = np.array([3e30, 4e30], "float32")
    np.testing.assert_allclose(clip_by_norm(grad, 5.0), [3, 4], rtol=1e-6)


@pytest.mark.parametrize("clip", BOTH)
def test_a_gradient_of_zeros_and_an_empty_one_stay(clip):
    np.testing.assert_array_equal(clip(np.zeros(3), 1.0), np.zeros(3))
    assert clip(np.zeros((2, 0)), 1.0).shape == (2, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("clip", BOTH)
@pytest.mark.parametrize("size", [1, 5, 1000, 4097])
def test_lanes_are_clipped_as_if_alone(clip, dtype, size, rng):
    grad, limits = rng.normal(size=(3, size)).astype(dtype), np.array([[0.1], [0.7], [1e3]])
    together = clip(grad.copy(), limits)
    assert together.dtype == dtype
    for lane in range(3):
        np.testing.assert_array_equal(together[lane], clip(grad[lane].copy(), limits[lane].item()))


@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_lanes_of_limits_are_single_runs(optimizer):
    def trained(lanes, optimizer, limit):
        network = small_network(lanes=lanes)
        dl.fit(network, LOSS, optimizer, problem(LOSS), epochs=2, batch_size=8, clip_norm=limit)
        return network.parameters.theta

    limits = [0.05, 0.3, 100.0]
    together = trained(3, optimizer.columns(), np.array(limits)[:, None])
    for lane, limit in enumerate(limits):
        np.testing.assert_array_equal(together[lane], trained(None, optimizer.single(lane), limit))


def test_fit_clips_after_the_penalties():
    network = small_network()
    before = network.parameters.theta.copy()
    dl.fit(
        network, LOSS, dl.SGD(1.0), problem(LOSS), epochs=1, batch_size=45,
        regularizers=[L2(1e6)], clip_norm=0.01,
    )  # fmt: skip
    assert np.linalg.norm(network.parameters.theta - before) == pytest.approx(0.01, rel=1e-3)


def test_what_is_frozen_takes_no_share_of_the_clipped_norm():
    def moved(scale):
        network = small_network(dtype="float64")
        network.freeze(2)
        before = network.parameters.theta.copy()
        settings = {"epochs": 1, "batch_size": 45, "clip_norm": scale}
        step = next(dl.training_steps(network, LOSS, dl.SGD(1.0), problem(LOSS), **settings))
        assert step.number == 0
        return network.parameters.theta - before

    free = moved(1e9)
    limit = float(np.linalg.norm(free)) / 2
    assert np.linalg.norm(moved(limit)) == pytest.approx(limit, rel=1e-9)


def test_clipping_takes_a_run_past_a_batch_that_overflows():
    x, y = problem(LOSS)
    x[7] *= 1e30  # its score is infinite in float32
    thetas = []
    for clip_norm in (None, 1.0):
        network = small_network()
        run = dl.training_steps(network, LOSS, dl.Momentum(0.1), (x, y), epochs=1, batch_size=5, clip_norm=clip_norm)
        with np.errstate(all="ignore"):
            list(run)
        thetas.append(network.parameters.theta)
    assert np.isfinite(thetas[1]).all()
    assert np.abs(thetas[1]).max() < 10 < np.nan_to_num(np.abs(thetas[0]), nan=np.inf).max()


@pytest.mark.parametrize("clip", BOTH)
@pytest.mark.parametrize("lanes", [False, True])
def test_clipping_never_leaves_the_device(device, clip, lanes, rng):
    grad = rng.normal(size=(3, 20)).astype("float32")
    grad[1, 3] = np.nan
    limit = np.array([[0.1], [0.5], [9.0]]) if lanes else 0.5
    ours = clip(grad.copy(), limit)
    dl.use("cupy")
    np.testing.assert_allclose(to_host(clip(to_device(grad), limit)), ours, rtol=1e-5)


@pytest.mark.parametrize("clip", BOTH)
@pytest.mark.parametrize("limit", [0, -1.0, np.nan, np.inf, None, "1"])
def test_a_limit_that_cannot_be_is_refused(clip, limit):
    with pytest.raises(SettingError, match=rf"{clip.__name__}.limit must be a number above 0"):
        clip(np.ones(3), limit)
    if limit is not None and clip is clip_by_norm:
        with pytest.raises(SettingError, match=r"fit.clip_norm must be a number above 0"):
            dl.fit(small_network(), LOSS, dl.SGD(), problem(LOSS), epochs=1, batch_size=8, clip_norm=limit)


@pytest.mark.parametrize("clip", BOTH)
@pytest.mark.parametrize("grad", [3.0, np.float64(3), np.arange(3), [1.0, 2.0]], ids=repr)
def test_a_gradient_that_cannot_be_changed_in_place_is_refused(clip, grad):
    with pytest.raises(SettingError, match=r"grad must be an array of floating-point numbers"):
        clip(grad, 1.0)
