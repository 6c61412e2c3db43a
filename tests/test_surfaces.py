import inspect
import math
import subprocess
import sys

import numpy as np
import pytest

from dlcourse import optimizers, surfaces
from dlcourse.surfaces import Beale, DoubleWell, Ravine, Rosenbrock, Saddle, descend, newton_path

SURFACES = [
    surfaces.bowl,
    surfaces.ravine,
    Ravine(30.0, 0.5),
    surfaces.saddle,
    surfaces.double_well,
    DoubleWell(depth=2.5, tilt=0.0),
    DoubleWell(depth=0.1, tilt=0.9),
    surfaces.rosenbrock,
    surfaces.beale,
]
every_surface = pytest.mark.parametrize("surface", SURFACES, ids=repr)


class HeavyBall(optimizers.Optimizer):
    """v ← μv − αg, θ ← θ + v, for one float: enough of an optimizer to walk with."""

    def __init__(self, learning_rate, momentum=0.0):
        self.learning_rate, self.momentum = learning_rate, momentum

    def remember(self, theta):
        self.v = 0.0 * theta

    def update(self, theta, grad, lr):
        self.v = self.momentum * self.v - lr * grad
        return theta + self.v


def random_points(surface, n=40):
    x0, x1, y0, y1 = surface.bounds
    return np.random.default_rng(7).uniform([x0, y0], [x1, y1], (n, 2))


# Formulas


@every_surface
def test_gradient_matches_central_differences(surface):
    h = 6e-6
    for x, y in random_points(surface).tolist():
        gx, gy = surface.gradient(x, y)
        scale = 1.0 + abs(surface.value(x, y)) + abs(gx) + abs(gy)
        assert (surface.value(x + h, y) - surface.value(x - h, y)) / (2 * h) == pytest.approx(gx, abs=1e-9 * scale)
        assert (surface.value(x, y + h) - surface.value(x, y - h)) / (2 * h) == pytest.approx(gy, abs=1e-9 * scale)


@every_surface
def test_hessian_matches_central_differences_of_the_gradient(surface):
    h = 6e-6
    for x, y in random_points(surface).tolist():
        hessian = np.array(surface.hessian(x, y))
        by_x = np.subtract(surface.gradient(x + h, y), surface.gradient(x - h, y)) / (2 * h)
        by_y = np.subtract(surface.gradient(x, y + h), surface.gradient(x, y - h)) / (2 * h)
        scale = 1.0 + np.abs(hessian).max() + np.abs(surface.gradient(x, y)).max()
        assert np.allclose(hessian, [by_x, by_y], rtol=0, atol=1e-9 * scale)
        assert hessian[0, 1] == hessian[1, 0]


@pytest.mark.parametrize(
    ("surface", "value"),
    [
        (Ravine(2.0, 8.0), lambda x, y: x**2 + 4 * y**2),
        (Saddle(), lambda x, y: x**2 / 2 - y**2 / 2),
        (DoubleWell(depth=3.0, tilt=0.0), lambda x, y: 3 * (x**2 - 1) ** 2 + y**2 / 2),
        (Rosenbrock(), lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2),
        (Beale(), lambda x, y: sum((c - x + x * y**i) ** 2 for i, c in ((1, 1.5), (2, 2.25), (3, 2.625)))),
    ],
    ids=lambda given: "" if inspect.isfunction(given) else repr(given),
)
def test_value_is_the_textbooks(surface, value):
    x, y = random_points(surface).T
    assert np.allclose(surface.value(x, y), value(x, y))


def test_value_agrees_with_scipys_rosenbrock():
    optimize = pytest.importorskip("scipy.optimize")
    for point in random_points(surfaces.rosenbrock):
        assert surfaces.rosenbrock.value(point) == pytest.approx(optimize.rosen(point))
        assert np.allclose(surfaces.rosenbrock.gradient(point), optimize.rosen_der(point))
        assert np.allclose(surfaces.rosenbrock.hessian(point), optimize.rosen_hess(point))


# Floats and arrays


@every_surface
def test_floats_and_arrays_agree_to_the_bit(surface):
    points = random_points(surface)
    for i, (x, y) in enumerate(points.tolist()):
        assert surface.value(points)[i] == surface.value(points[i]) == surface.value(x, y)
        assert surface.gradient(points)[i].tolist() == list(surface.gradient(x, y))
        assert surface.hessian(points)[i].tolist() == [list(row) for row in surface.hessian(x, y)]


@every_surface
def test_floats_stay_pythons(surface):
    assert type(surface.value(1.0, 2.0)) is float
    assert all(type(g) is float for g in surface.gradient(1.0, 2.0))
    assert all(type(h) is float for row in surface.hessian(1.0, 2.0) for h in row)


@every_surface
@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 4, 2), (0, 2)])
def test_shapes(surface, shape):
    points = np.ones(shape)
    assert np.shape(surface.value(points)) == shape[:-1]
    assert surface.gradient(points).shape == shape
    assert surface.hessian(points).shape == (*shape, 2)


@every_surface
def test_dtype_is_kept_and_whole_numbers_become_floats(surface):
    point = np.array([1, 2], np.float32)
    assert surface.value(point).dtype == surface.gradient(point).dtype == surface.hessian(point).dtype == np.float32
    assert surface.gradient([1, 2]).tolist() == list(surface.gradient(1.0, 2.0))


@every_surface
def test_gradient_is_a_new_array(surface):
    point = np.array([0.5, 0.25])
    surface.gradient(point)[:] = np.nan
    assert point.tolist() == [0.5, 0.25]


@pytest.mark.parametrize("point", [3.0, [1.0], [1.0, 2.0, 3.0], "ab", None, [[1, 2, 3]], [True, False]])
@pytest.mark.parametrize("method", ["value", "gradient", "hessian"])
def test_refuses_what_is_no_point(method, point):
    with pytest.raises(ValueError, match=r"Ravine\.point must .* Give x and y, or an array"):
        getattr(surfaces.ravine, method)(point)


# Where they are flat


@every_surface
def test_minima_are_minima_the_lowest_first(surface):
    for point in surface.minima:
        assert np.allclose(surface.gradient(*point), 0.0, atol=1e-12)
        assert np.linalg.eigvalsh(surface.hessian(np.array(point))).min() > 0
    values = [surface.value(*point) for point in surface.minima]
    assert values == sorted(values)
    assert not values or values[0] == pytest.approx(0.0, abs=1e-12)
    if values:
        assert surface.value(random_points(surface, 5000)).min() >= values[0]


@every_surface
def test_start_and_minima_are_in_the_picture(surface):
    x0, x1, y0, y1 = surface.bounds
    for x, y in (surface.start, *surface.minima):
        assert x0 < x < x1 and y0 < y < y1


def test_saddle_is_flat_and_no_minimum():
    for surface, point in ((surfaces.saddle, [0.0, 0.0]), (surfaces.beale, [0.0, 1.0])):
        assert np.allclose(surface.gradient(point), 0.0)
        low, high = np.linalg.eigvalsh(surface.hessian(point))
        assert low < 0 < high


@pytest.mark.parametrize("tilt", [0.0, 0.2, 0.7])
def test_double_well_has_the_stated_heights(tilt):
    well = DoubleWell(depth=1.5, tilt=tilt)
    shallow, top = well.value(-1.0, 0.0), well.value(-tilt, 0.0)
    assert well.value(1.0, 0.0) == 0.0
    assert shallow == pytest.approx(16 / 3 * 1.5 * tilt)
    assert top - shallow == pytest.approx(well.climb)
    assert well.gradient(-tilt, 0.0) == (0.0, 0.0)
    assert well.hessian(-tilt, 0.0)[0][0] < 0


def test_ravine_knows_its_condition_number():
    assert surfaces.ravine.condition == Ravine(25.0, 1.0).condition == 25.0
    assert (surfaces.bowl.name, surfaces.ravine.name) == ("bowl", "ravine")


def test_repr_is_the_call():
    assert repr(DoubleWell(tilt=0.1)) == "DoubleWell(depth=1.0, tilt=0.1)"
    assert repr(Rosenbrock()) == "Rosenbrock()"


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, "1", None, True])
def test_bad_settings_are_refused_now_and_later(bad):
    with pytest.raises(ValueError, match=r"Ravine\.curvature_x must be a number above 0; got curvature_x="):
        Ravine(bad, 1.0)
    with pytest.raises(ValueError, match=r"DoubleWell\.depth must"):
        DoubleWell(depth=bad)
    with pytest.raises(ValueError, match=r"Ravine\.curvature_y must"):
        Ravine().curvature_y = bad


@pytest.mark.parametrize("bad", [-0.1, 1.0, math.nan, "0"])
def test_bad_tilt_is_refused(bad):
    with pytest.raises(ValueError, match=r"DoubleWell\.tilt must be in \[0, 1\); got tilt="):
        DoubleWell(tilt=bad)


# Paths


def test_descend_is_the_closed_form_on_a_ravine():
    path = descend(Ravine(1.0, 4.0), HeavyBall(0.1), start=(2.0, -3.0), steps=30)
    k = np.arange(31)
    assert path.shape == (31, 2)
    assert np.allclose(path, np.stack([2.0 * 0.9**k, -3.0 * 0.6**k], axis=1))


@every_surface
def test_descend_walks_as_an_array_does(surface):
    path = descend(surface, HeavyBall(1e-4, 0.9), steps=25)
    theta, rule = np.array(surface.start), HeavyBall(1e-4, 0.9)
    rule.start(theta)
    assert path[0].tolist() == list(surface.start)
    for point in path[1:]:
        theta = rule.step(theta, surface.gradient(theta))
        assert np.allclose(point, theta, rtol=1e-12)


RULES = [c for c in vars(optimizers).values() if isinstance(c, type) and issubclass(c, optimizers.Optimizer)]
PLAIN_RULES = [c for c in RULES if c.__name__ not in ("Optimizer", "ANGD")]  # ANGD wants scores as well


@pytest.mark.parametrize("Rule", PLAIN_RULES)
def test_descend_takes_every_rule_of_the_library(Rule):
    rule = Rule(learning_rate=0.02)
    path = descend(surfaces.ravine, rule, steps=200)
    theta = np.array(surfaces.ravine.start)
    rule.start(theta)
    for _ in range(200):
        theta = rule.step(theta, surfaces.ravine.gradient(theta))
    assert np.allclose(path[-1], theta, atol=1e-9)
    assert surfaces.ravine.value(path[-1]) < surfaces.ravine.value(path[0])


def test_descend_leaves_the_optimizer_unused():
    rule = HeavyBall(0.01, 0.9)
    first, second = descend(surfaces.ravine, rule), descend(surfaces.ravine, rule)
    assert np.array_equal(first, second) and not hasattr(rule, "v")


@every_surface
@pytest.mark.parametrize("learning_rate", [0.5, 50.0, 1e12, 1e300])
def test_descend_ends_a_diverging_path_in_silence(surface, learning_rate):
    with np.errstate(all="raise"):
        path = descend(surface, HeavyBall(learning_rate, 0.9), start=(0.7, 0.3), steps=500)
    assert np.abs(path).max() <= 1e6
    if learning_rate > 10:
        assert len(path) < 30


def test_descend_zero_steps_is_the_start():
    assert descend(surfaces.beale, HeavyBall(0.1), start=(1, 2), steps=0).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": (1.0, math.nan)}, r"descend\.start must be two finite numbers"),
        ({"start": (1.0,)}, r"descend\.start must"),
        ({"start": "ab"}, r"descend\.start must"),
        ({"start": 3.0}, r"descend\.start must"),
        ({"start": ("1", "2")}, r"descend\.start must"),
        ({"start": [[1.0], [2.0, 3.0]]}, r"descend\.start must"),
        ({"steps": -1}, r"descend\.steps must be a whole number, 0 or more; got steps=-1"),
        ({"steps": 2.0}, r"descend\.steps must"),
        ({"steps": True}, r"descend\.steps must"),
    ],
)
def test_descend_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        descend(surfaces.ravine, HeavyBall(0.1), **settings)


@pytest.mark.parametrize("surface", [surfaces.bowl, surfaces.ravine, Ravine(1e-3, 1e3)], ids=repr)
def test_newton_needs_one_step_on_a_quadratic(surface):
    path = newton_path(surface, start=(3.7, -1.9))
    assert np.allclose(path[1], 0.0, atol=1e-12)


def test_newton_is_quadratic_near_a_minimum():
    for surface in (surfaces.rosenbrock, surfaces.double_well):
        (x, y), *_ = surface.minima
        path = newton_path(surface, start=(x + 0.05, y + 0.05))
        error = np.linalg.norm(path - [x, y], axis=1)
        assert error[4] < 1e-8 and error[-1] < 1e-12


def test_newton_is_drawn_to_a_saddle():
    assert np.allclose(newton_path(surfaces.saddle)[1], 0.0)
    assert np.allclose(newton_path(surfaces.beale)[-1], [0.0, 1.0], atol=1e-6)


def test_newton_stops_where_the_hessian_is_singular_or_it_has_arrived():
    well = DoubleWell(tilt=0.0)
    flat = 1 / math.sqrt(3)  # 3x² = 1
    assert len(newton_path(well, start=(flat, 0.5))) <= 2
    assert len(newton_path(surfaces.ravine, start=(0.0, 0.0))) == 1
    assert len(newton_path(surfaces.ravine, steps=0)) == 1
    assert np.isfinite(newton_path(surfaces.beale, start=(-4.0, -4.0), steps=200)).all()


def test_import_needs_numpy_alone():
    code = (
        "import sys; sys.modules.update(scipy=None, matplotlib=None, sklearn=None)\n"
        "from dlcourse.surfaces import *; newton_path(ravine)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
