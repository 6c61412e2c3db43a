"""Every loss: PyTorch's numbers, finite differences, extreme scores, and targets that cannot be."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from concepts import LOSSES, named, targets

import dlcourse as dl
from dlcourse.losses import Hinge, Loss
from dlcourse.settings import SettingError

KINDS = ["labels", "probabilities", "smoothed", "smoothed_probabilities", "extreme", "squared"]


@pytest.mark.parametrize("kind", KINDS)
def test_loss_agrees_with_pytorch(kind, oracle):
    name, settings, answer = oracle["losses"][kind]
    loss = getattr(dl, name)(**settings)
    value = loss.forward(np.array(answer["prediction"]), np.array(answer["target"]))
    np.testing.assert_allclose(value, answer["value"], rtol=1e-12)
    np.testing.assert_allclose(loss.backward(), answer["gradient"], rtol=1e-12, atol=1e-16)


def test_hinge_agrees_with_pytorch_but_for_the_number_of_classes():
    path = Path(__file__).parent / "oracles" / "regularization.json"
    answer, loss = json.loads(path.read_text())["hinge"], Hinge()
    value = loss.forward(np.array(answer["prediction"]), np.array(answer["target"]))
    np.testing.assert_allclose(value, answer["value"], rtol=1e-12)
    np.testing.assert_allclose(loss.backward(), answer["gradient"], rtol=1e-12, atol=1e-16)


def test_hinge_is_its_formula_and_rests_beyond_the_margin():
    loss, z = Hinge(), np.array([[3.0, 1.9, 2.5], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert loss.forward(z, np.array([0, 1, 2])) == pytest.approx((0 + 0.5 + 0 + 0 + 1 + 1) / 3)
    np.testing.assert_allclose(loss.backward() * 3, [[-1, 0, 1], [0, 0, 0], [1, 1, -2]])  # a margin of 1 is enough
    assert loss.forward(z + 100, np.eye(3)) == pytest.approx(loss.forward(z, np.array([0, 1, 2])))
    assert loss.accuracy(z, np.eye(3)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hinge_of_extreme_scores_stays_finite(dtype):
    loss = Hinge()
    assert loss.forward(np.array([[1e30, -1e30], [-1e30, 1e30]], dtype), np.array([0, 0])) == pytest.approx(1e30)
    assert np.isfinite(loss.backward()).all()
    assert loss.backward().dtype == dtype


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(LOSSES))
def test_backward_agrees_with_finite_differences(row, lanes, rng):
    loss, h = row.make(), 1e-6
    prediction = rng.normal(size=(4, 3) if lanes is None else (lanes, 4, 3))
    target = targets(loss, 3, 4, rng)
    loss.forward(prediction, target)
    gradient = loss.backward().copy()
    for place in np.ndindex(prediction.shape):
        nudge = np.zeros_like(prediction)
        nudge[place] = h
        ends = [np.sum(loss.forward(prediction + s * nudge, target)) for s in (1, -1)]
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("row", **named(LOSSES))
def test_loss_gives_one_value_a_lane(row, rng):
    loss, prediction = row.make(), rng.normal(size=(2, 6, 3)).astype("float32")
    target = targets(loss, 3, 6, rng)
    together = loss.forward(prediction, target)
    assert together.shape == (2,)
    assert loss.backward().shape == prediction.shape
    for lane in range(2):
        alone = row.make().forward(prediction[lane], target)
        assert alone.shape == ()
        assert alone.dtype == "float32"
        np.testing.assert_array_equal(together[lane], alone)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores_stay_finite(dtype, smoothing):
    loss = dl.SoftmaxCrossEntropy(label_smoothing=smoothing)
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [3e38, -3e37, 0]], dtype)
    value = loss.forward(z[:2], np.array([1, 0]))
    assert value == pytest.approx((2e4 if smoothing == 0 else 2e4 - smoothing / 3 * 3e4) / 2 + np.log(3) / 2, rel=1e-6)
    assert np.isfinite(loss.backward()).all()
    assert np.isfinite(loss.forward(z, np.array([0, 0, 0])))


def test_a_certain_right_answer_costs_nothing():
    loss = dl.SoftmaxCrossEntropy()
    assert loss.forward(np.array([[1e4, 0.0]]), np.array([0])) == 0
    assert not loss.backward().any()


def test_uniform_scores_cost_the_logarithm_of_the_classes():
    assert dl.SoftmaxCrossEntropy().forward(np.zeros((5, 7)), np.arange(5)) == pytest.approx(np.log(7))


def test_a_draw_beyond_what_rounding_left_is_the_last_class():
    loss = dl.SoftmaxCrossEntropy()
    loss.forward(np.float32([[0.1, 0.2, 0.3]] * 20), np.zeros(20, int))
    loss.p = np.nextafter(loss.p, np.float32(0))
    highest = SimpleNamespace(uniform=lambda size: np.full(size, np.nextafter(1, 0)))
    assert (loss.draw_score(highest).argmin(axis=1) == 2).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_gradient_sums_to_zero_in_every_row(smoothing, rng):
    loss = dl.SoftmaxCrossEntropy(smoothing)
    loss.forward(rng.normal(size=(6, 4)), rng.integers(0, 4, 6))
    np.testing.assert_allclose(loss.backward().sum(axis=-1), 0, atol=1e-16)


def test_cross_entropy_is_blind_to_a_common_shift(rng):
    loss, z, y = dl.SoftmaxCrossEntropy(), rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    assert loss.forward(z + 100, y) == pytest.approx(loss.forward(z, y))


def test_labels_and_their_rows_of_probabilities_are_the_same(rng):
    z, y = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    loss = dl.SoftmaxCrossEntropy(label_smoothing=0.1)
    assert loss.forward(z, y) == loss.forward(z, np.eye(4)[y]) == loss.forward(z, y.tolist())


def test_accuracy_is_the_share_of_right_answers():
    loss = dl.SoftmaxCrossEntropy(label_smoothing=0.1)
    z = np.array([[2.0, 1], [0, 3], [5, 4], [1, 2]])
    target = loss.prepare(np.array([0, 1, 1, 1]), (2,), "float64")
    assert loss.accuracy(z, target) == 0.75
    np.testing.assert_array_equal(loss.accuracy(np.stack([z, -z]), target), [0.75, 0.25])
    assert dl.MeanSquaredError().accuracy(z, z) is None


@pytest.mark.parametrize("shape", [(50, 1), (200, 2), (200, 10), (3, 200, 4)])
def test_of_several_equal_scores_the_first_counts(shape, rng):
    scores, target = rng.integers(0, 3, shape).astype("float32"), rng.normal(size=shape).astype("float32")
    scores[..., :20, :], scores[..., 20:40, 0] = np.nan, np.inf
    right = scores.argmax(axis=-1) == target.argmax(axis=-1)
    np.testing.assert_array_equal(dl.SoftmaxCrossEntropy().accuracy(scores, target), right.mean(axis=-1))


def test_squared_error_takes_one_number_an_example():
    loss = dl.MeanSquaredError()
    assert loss.forward(np.array([[1.0], [3.0]]), np.array([0.0, 1.0])) == 2.5
    np.testing.assert_array_equal(loss.backward(), [[1], [2]])


MISTAKES = [
    (dl.SoftmaxCrossEntropy(), [0, 3, 1], "lie in 0 … 2, one class for each output of the network; got target=3"),
    (dl.SoftmaxCrossEntropy(), [0, -1, 1], "lie in 0 … 2, one class for each output of the network; got target=-1"),
    (dl.SoftmaxCrossEntropy(), [0.0, 1.0, 2.0], "be whole numbers; got target='float64'. Use labels.astype(int)."),
    (dl.SoftmaxCrossEntropy(), [True, False, True], "be whole numbers; got target='bool'"),
    (dl.SoftmaxCrossEntropy(), ["cat", "dog", "cat"], "be whole numbers"),
    (dl.SoftmaxCrossEntropy(), np.ones((3, 2)), "be labels (batch,) or rows of 3 probabilities; got target=(3, 2)"),
    (dl.SoftmaxCrossEntropy(), [1], "have one row for each of the 3 predictions; got target=(1, 3)"),
    (dl.MeanSquaredError(), np.ones((3, 2)), "have as many columns as the prediction, 3; got target=(3, 2)"),
    (dl.MeanSquaredError(), np.ones((1, 3)), "have one row for each of the 3 predictions; got target=(1, 3)"),
    (dl.MeanSquaredError(), 1.0, "have as many columns as the prediction, 3; got target=()"),
    (Hinge(), [0, 3, 1], "lie in 0 … 2, one class for each output of the network; got target=3"),
    (Hinge(), [0.0, 1.0, 2.0], "be whole numbers; got target='float64'. Use labels.astype(int)."),
    (Hinge(), np.full((3, 3), 1 / 3), "be labels (batch,) or rows of 3 numbers, a single 1 among zeros; got"),
    (Hinge(), np.eye(3)[:, :2], "be labels (batch,) or rows of 3 numbers"),
    (Hinge(), np.ones((3, 3)), "be labels (batch,) or rows of 3 numbers"),
    (Hinge(), [1], "have one row for each of the 3 predictions; got target=(1, 3)"),
    (dl.SoftmaxCrossEntropy(), 1, "be labels (batch,) or rows of 3 probabilities; got target=()"),
]


@pytest.mark.parametrize(("loss", "target", "words"), MISTAKES, ids=[words[:40] for _, _, words in MISTAKES])
def test_loss_refuses_a_target_that_cannot_be(loss, target, words):
    with pytest.raises(SettingError) as refused:
        loss.forward(np.zeros((3, 3)), np.array(target))
    assert f"{type(loss).__name__}.target must {words}" in str(refused.value)


@pytest.mark.parametrize("row", **named(LOSSES))
def test_loss_of_an_empty_batch_is_zero(row):
    loss = row.make()
    target = np.zeros((0, 3)) if isinstance(loss, dl.MeanSquaredError) else np.zeros(0, int)
    assert loss.forward(np.zeros((0, 3)), target) == 0


@pytest.mark.parametrize("row", **named(LOSSES))
def test_forward_leaves_prediction_and_target_alone(row, rng):
    loss, prediction = row.make(), rng.normal(size=(4, 3))
    target = targets(loss, 3, 4, rng)
    before = prediction.copy(), target.copy()
    loss.forward(prediction, target)
    loss.backward()
    np.testing.assert_array_equal(prediction, before[0])
    np.testing.assert_array_equal(target, before[1])


def test_loss_is_an_interface():
    for call in (lambda: Loss().prepare(0, (1,), "f"), lambda: Loss().compare(0, 0), lambda: Loss().backward()):
        with pytest.raises(NotImplementedError):
            call()


@pytest.mark.parametrize("lanes", [False, True])
def test_a_score_of_minus_infinity_is_a_probability_of_zero(lanes):
    scores = np.array([[0, -np.inf, 1.0], [2.0, 0.5, -np.inf]])
    scores = np.stack([scores, scores]) if lanes else scores
    loss, labels = dl.SoftmaxCrossEntropy(), [0, 1]
    expected = (np.log(1 + np.e) + np.log(1 + np.exp(1.5))) / 2
    np.testing.assert_allclose(loss.forward(scores, labels), expected, rtol=1e-12)
    np.testing.assert_allclose(loss.backward().sum(axis=-1), 0, atol=1e-15)
    assert loss.forward(scores, [1, 1]).max() == np.inf  # what cannot be has happened
    assert loss.forward(scores, np.full((2, 3), 1 / 3)).max() == np.inf
    hinge = Hinge()
    np.testing.assert_allclose(hinge.forward(scores, labels), (2 + 2.5) / 2)
    assert np.isfinite(hinge.backward()).all()
    with np.errstate(invalid="ignore"):  # −∞ − (−∞), which is not looked at
        assert np.max(hinge.forward(scores, [1, 1])) == np.inf


@pytest.mark.parametrize("loss", [dl.SoftmaxCrossEntropy(), dl.MeanSquaredError(), Hinge()])
def test_losses_take_lists(loss):
    target = [[0.0, 1.0]] if isinstance(loss, dl.MeanSquaredError) else [1]
    assert loss.forward([[1, 2]], target) == loss.forward(np.array([[1.0, 2.0]]), target)
