"""ANGD: the inverse it keeps is the inverse, and the step it takes is the natural one."""

import math
from types import SimpleNamespace

import fake_cupy
import numpy as np
import pytest
import scipy.optimize

import dlcourse as dl
from dlcourse.optimizers import ANGD, SGD, Adam, Momentum, Optimizer
from dlcourse.settings import SettingError


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Classifier:
    """Softmax regression on x T⁻¹, theta being the weights (features · classes) after the map T."""

    def __init__(self, x, y, T=None):
        self.x, self.y, self.map = x, y, np.eye(x.shape[1] * (y.max() + 1)) if T is None else T

    def logits(self, theta):
        return self.x @ (self.map @ theta).reshape(self.x.shape[1], -1)

    def of_labels(self, theta, labels):
        """Each example's gradient of log p(label): (examples, P)."""
        error = np.eye(self.y.max() + 1)[labels] - softmax(self.logits(theta))
        return (self.x[:, :, None] * error[:, None, :]).reshape(len(self.x), -1) @ self.map

    def gradient(self, theta):
        return -self.of_labels(theta, self.y).mean(axis=0)

    def scores(self, theta, rng):
        drawn = (softmax(self.logits(theta)).cumsum(axis=1) > rng.random((len(self.x), 1))).argmax(axis=1)
        return self.of_labels(theta, drawn)


@pytest.fixture
def classifier(rng):
    x = rng.normal(size=(40, 3))
    return Classifier(x, (x @ rng.normal(size=(3, 3)) + 0.5 * rng.normal(size=(40, 3))).argmax(axis=1))


@pytest.mark.parametrize("batch", [1, 4, 30])
@pytest.mark.parametrize("settings", [{}, {"prior": 0.25}, {"damping": 0.05}, {"damping": 0.05, "prior": 3.0}])
def test_inverse_is_the_inverse_of_the_running_fisher(batch, settings, rng):
    """A'G' = I, with G kept as a matrix beside it: G ← (1 − ε)G + ε(Σ s sᵀ/B + λI)."""
    eps, optimizer, theta = 0.15, ANGD(0.1, fisher_rate=0.15, **settings), np.zeros(6)
    G = settings.get("prior", 1.0) * np.eye(6)
    for _ in range(12):
        scores = rng.normal(size=(batch, 6)) * rng.uniform(0.1, 5)
        optimizer.step(theta, rng.normal(size=6), scores)
        G = (1 - eps) * G + eps * (scores.T @ scores / batch + settings.get("damping", 0.0) * np.eye(6))
        np.testing.assert_allclose(optimizer.A @ G, np.eye(6), atol=1e-10)
        np.testing.assert_array_equal(optimizer.A, optimizer.A.T)
        assert np.linalg.eigvalsh(optimizer.A).min() > 0


def test_one_large_score_leaves_the_inverse_positive():
    """The first-order form of 2000, (1 + ε)A − εAv(Av)ᵀ, has the eigenvalue −2.955 here."""
    optimizer = ANGD(0.1, fisher_rate=0.113)
    optimizer.step(np.zeros(2), np.ones(2), np.array([[6.0, 0.0]]))
    assert np.linalg.eigvalsh(optimizer.A) == pytest.approx([1 / (0.887 + 0.113 * 36), 1 / 0.887])


def test_step_takes_the_new_inverse(rng):
    optimizer, theta, g = ANGD(0.3, fisher_rate=0.5), np.zeros(4), rng.normal(size=4)
    optimizer.step(theta, g, rng.normal(size=(7, 4)))
    assert np.abs(optimizer.A - np.eye(4)).max() > 0.1
    np.testing.assert_allclose(theta, -0.3 * optimizer.A @ g, rtol=1e-14)


@pytest.mark.parametrize("fisher_rate", [0.0, 1e-14])
def test_without_a_fisher_it_is_sgd(fisher_rate, rng):
    ours, sgd = np.ones(5), np.ones(5)
    natural, plain = ANGD(0.1, fisher_rate=fisher_rate), SGD(0.1)
    for _ in range(20):
        g = rng.normal(size=5)
        natural.step(ours, g, rng.normal(size=(8, 5)))
        plain.step(sgd, g)
    np.testing.assert_allclose(ours, sgd, rtol=1e-11)


def test_on_a_linear_gaussian_model_it_becomes_newtons_step(rng):
    """Once the start has faded, G is the Hessian XᵀX/n, and η = 1 goes to the least-squares solution at once.

    Scores √n · xᵢ/√n in turn would do; here each batch is all of X, whose scores for unit noise are xᵢ · noise, and
    the noise is ±1, so that Σ s sᵀ = XᵀX exactly.
    """
    x, target = rng.normal(size=(50, 4)), rng.normal(size=50)
    optimizer, theta = ANGD(1.0, fisher_rate=0.3), rng.normal(size=4)
    optimizer.start(theta)
    for _ in range(110):
        optimizer.estimate(x * rng.choice([-1.0, 1.0], size=(50, 1)))
    optimizer.step(theta, x.T @ (x @ theta - target) / 50, x)
    np.testing.assert_allclose(theta, np.linalg.lstsq(x, target)[0], rtol=1e-9)


def test_the_fitted_path_does_not_depend_on_the_coordinates(classifier, rng):
    """θ = Tφ: descending in φ, with the start mapped too, passes through the same predictions. SGD's path does not."""
    T = rng.normal(size=(9, 9)) + 3 * np.eye(9)
    mapped = Classifier(classifier.x, classifier.y, T)
    theta, phi = np.zeros(9), np.zeros(9)
    straight, bent = ANGD(0.5, fisher_rate=0.05), ANGD(0.5, fisher_rate=0.05)
    straight.start(theta)
    bent.start(phi)
    bent.A = np.linalg.inv(T) @ straight.A @ np.linalg.inv(T).T
    for step in range(15):
        for model, point, optimizer in ((classifier, theta, straight), (mapped, phi, bent)):
            scores = model.scores(point, np.random.default_rng(step))
            optimizer.step(point, model.gradient(point), scores)
        np.testing.assert_allclose(classifier.logits(theta), mapped.logits(phi), atol=1e-8)
    theta, phi = np.zeros(9), np.zeros(9)
    SGD(0.1).step(theta, classifier.gradient(theta))
    SGD(0.1).step(phi, mapped.gradient(phi))
    assert np.abs(classifier.logits(theta) - mapped.logits(phi)).max() > 0.1


def test_it_comes_nearer_than_sgd_where_features_are_badly_scaled(classifier, rng):
    """After 60 steps its loss is at most a third as far above the lowest as that of SGD at the best of five rates."""
    scaled = Classifier(classifier.x * [1.0, 0.1, 10.0], classifier.y)
    loss = lambda p: -np.log(softmax(scaled.logits(p))[range(40), scaled.y]).mean()  # noqa: E731
    lowest = scipy.optimize.minimize(loss, np.zeros(9), jac=scaled.gradient).fun

    def above(optimizer):
        theta = np.zeros(9)
        for _ in range(60):
            more = (scaled.scores(theta, rng),) if optimizer.needs_scores else ()
            optimizer.step(theta, scaled.gradient(theta), *more)
        return loss(theta) - lowest

    natural = above(ANGD(0.5, fisher_rate=0.1, damping=1e-4))
    assert 0 <= natural < min(above(SGD(rate)) for rate in (1.0, 0.3, 0.1, 0.03, 0.01)) / 3


def test_damping_keeps_unseen_directions_finite(rng):
    """A direction without scores gains 1/(1 − ε) a step; with damping the inverse stays below 1/λ."""
    free, held = ANGD(0.1), ANGD(0.1, damping=0.01)
    theta, scores = np.zeros(3), np.array([[1.0, -1.0, 0.0]])
    for _ in range(400):
        free.step(theta, np.zeros(3), scores)
        held.step(theta, np.zeros(3), scores)
    assert np.linalg.eigvalsh(free.A).max() > 1e18
    assert np.linalg.eigvalsh(held.A).max() == pytest.approx(100.0)


def test_max_step_bounds_the_step_in_the_metric(rng):
    g, scores = 100 * rng.normal(size=4), rng.normal(size=(9, 4))
    theta, optimizer = np.zeros(4), ANGD(1.0, max_step=0.01)
    optimizer.step(theta, g, scores)
    assert theta @ np.linalg.inv(optimizer.A) @ theta == pytest.approx(0.01)
    small, free = np.zeros(4), ANGD(1.0)
    ANGD(1.0, max_step=0.01).step(small, 1e-6 * g, scores)
    expected = np.zeros(4)
    free.step(expected, 1e-6 * g, scores)
    np.testing.assert_array_equal(small, expected)
    still = np.ones(4)
    ANGD(1.0, max_step=0.01).step(still, np.zeros(4), scores)
    assert (still == 1).all()


def test_float32_theta_and_a_schedule(rng):
    theta, asked = np.zeros(5, "float32"), []
    optimizer = ANGD(lambda step: asked.append(step) or 0.1)
    view = theta[2:]
    for _ in range(3):
        g, scores = rng.normal(size=5).astype("float32"), rng.normal(size=(6, 5)).astype("float32")
        assert optimizer.step(theta, g, scores) is theta
    assert theta.dtype == "float32" and optimizer.A.dtype == "float64" and view.all()
    assert asked == [0, 1, 2] and optimizer.steps == 3


def test_start_forgets(rng):
    theta, optimizer = np.zeros(3), ANGD()
    optimizer.step(theta, np.ones(3), rng.normal(size=(4, 3)))
    optimizer.start(theta)
    np.testing.assert_array_equal(optimizer.A, np.eye(3))


def test_only_angd_asks_for_scores():
    assert ANGD.needs_scores
    assert not any(rule.needs_scores for rule in (Optimizer, SGD, Momentum, Adam))


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        (np.ones((2, 5)), r"ANGD.theta must be one vector, \(P,\); got theta=\(2, 5\). .*without lanes"),
        (1.0, r"ANGD.theta must be one vector"),
        (np.ones(4001), r"ANGD.theta must have at most 4000 numbers; got theta=4001. A would take 0.1 GB, P² numbers"),
        (np.ones(3, int), r"ANGD.theta must hold floating-point numbers"),
    ],
)
def test_theta_that_has_no_inverse_fisher_is_refused(theta, message):
    with pytest.raises(SettingError, match=message):
        ANGD().start(theta)


@pytest.mark.parametrize("scores", [None, np.ones(3), np.ones((2, 4)), np.ones((0, 3)), np.ones((2, 3, 1)), [1.0, 2.0]])
def test_scores_that_are_missing_or_do_not_fit_are_refused(scores):
    theta = np.ones(3)
    with pytest.raises(SettingError, match=r"ANGD.scores must be an array \(batch, 3\), .*SGD needs none"):
        ANGD().step(theta, np.ones(3), scores)
    assert (theta == 1).all()


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("learning_rate", [-0.1, math.nan]),
        ("fisher_rate", [-0.1, 1.0, math.nan, None, np.array([[0.1], [0.2]])]),
        ("damping", [-1e-3, math.inf, None]),
        ("max_step", [0.0, -1.0, math.nan, "big"]),
        ("prior", [0.0, -1.0, math.nan, None]),
    ],
)
def test_bad_setting_is_refused(name, bad):
    for value in bad:
        with pytest.raises(SettingError, match=rf"ANGD.{name} must "):
            ANGD(**{name: value})


def test_it_stays_on_the_device(cupy, rng):
    solve = fake_cupy.on_device(np.linalg.solve)
    cupy.linalg = SimpleNamespace(solve=solve)
    scores, g = rng.normal(size=(4, 5)), rng.normal(size=5)

    def walk():
        theta = dl.backend.to_device(np.ones(5))
        optimizer = ANGD(0.1, damping=0.1, max_step=0.1)
        for _ in range(3):
            optimizer.step(theta, dl.backend.to_device(g), dl.backend.to_device(scores))
        return dl.to_host(theta)

    here = walk()
    with dl.using("cupy"):
        there = walk()
    np.testing.assert_allclose(there, here, rtol=1e-12)
