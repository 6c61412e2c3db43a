"""Losses of two parameters, to watch a rule walk: value, gradient, Hessian, and paths.

    ravine.value(x, y)          a float;  gradient -> (gx, gy);  hessian -> ((hxx, hxy), (hxy, hyy))
    ravine.value(theta)         theta an array (..., 2);  gradient -> (..., 2);  hessian -> (..., 2, 2)
    descend(ravine, Momentum(0.02))     the path of an optimizer, (steps + 1, 2)

The formulas are plain arithmetic, so Python floats run them without touching NumPy, and arrays run all points at once.
"""

import copy
from typing import Annotated, Any

import numpy as np

from dlcourse import settings as settings_
from dlcourse.settings import Rule, check, is_number, is_whole, refuse, settings

FAR_AWAY = 1e6  # a path that gets here has diverged


def is_point(value: object) -> bool:
    flat = isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return flat and len(value) == 2 and all(map(is_number, value))  # type: ignore[arg-type,call-overload]


positive, share = settings_.positive._replace(lanes=False), settings_.share._replace(lanes=False)
steps_rule = Rule("be a whole number, 0 or more", lambda v: is_whole(v) and v >= 0)
point_rule = Rule("be two finite numbers", is_point)
Positive = Annotated[float, positive, "1 is a gentle bowl."]

Point = tuple[float, float]


class Surface:
    """f(x, y) with df(x, y) and d2f(x, y), written for floats and arrays alike.

    start: a good place to begin; minima: the lowest first; bounds: (x0, x1, y0, y1) of a good picture.
    """

    name: str
    start: Point
    minima: tuple[Point, ...]
    bounds: tuple[float, float, float, float]

    def f(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def d2f(self, x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        raise NotImplementedError

    def value(self, x: Any, y: Any = None) -> Any:
        """f(x, y), or f at every point of an array (..., 2)."""
        if y is not None:
            return self.f(x, y)
        point = self.points(x)
        return self.f(point[..., 0], point[..., 1])

    def gradient(self, x: Any, y: Any = None) -> Any:
        """(df/dx, df/dy), or an array (..., 2) like the points given."""
        if y is not None:
            return self.df(x, y)
        point = self.points(x)
        gradient = np.empty_like(point)
        gradient[..., 0], gradient[..., 1] = self.df(point[..., 0], point[..., 1])
        return gradient

    def hessian(self, x: Any, y: Any = None) -> Any:
        """((fxx, fxy), (fxy, fyy)), or an array (..., 2, 2)."""
        if y is not None:
            return self.d2f(x, y)
        point = self.points(x)
        hessian = np.empty_like(point, shape=(*point.shape, 2))
        for i, row in enumerate(self.d2f(point[..., 0], point[..., 1])):
            hessian[..., i, 0], hessian[..., i, 1] = row
        return hessian

    def points(self, point: Any) -> Any:
        """Points as a float array; one that is so already, on whatever device, stays as it is."""
        what = f"{type(self).__name__}.point"
        if not hasattr(point, "__array_function__"):
            point = np.asarray(point)
        if point.dtype.kind not in "iuf":
            refuse(what, "hold real numbers", point.dtype, "Give x and y, or an array (..., 2).")
        if point.shape[-1:] != (2,):
            refuse(what, "have x and y on its last axis", point.shape, "Give x and y, or an array (..., 2).")
        return point if point.dtype.kind == "f" else point.astype(np.float64)


@settings
class Ravine(Surface):
    """A quadratic valley: f = (a x² + b y²)/2, a and b the curvatures, κ = max/min the condition number.

    The one surface with a complete theory (Goh 2017): see theory.py.
    Minimum 0 at (0, 0). Raises SettingError for curvatures that are not above 0.
    """

    curvature_x: Positive = 1.0
    curvature_y: Positive = 25.0

    start = (-9.0, 2.5)
    minima = ((0.0, 0.0),)
    bounds = (-10.0, 10.0, -4.0, 4.0)

    @property
    def name(self) -> str:  # type: ignore[override]
        return "bowl" if self.condition == 1 else "ravine"

    @property
    def condition(self) -> float:
        low, high = sorted((self.curvature_x, self.curvature_y))
        return high / low

    def f(self, x: Any, y: Any) -> Any:
        return 0.5 * (self.curvature_x * x * x + self.curvature_y * y * y)

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        return self.curvature_x * x, self.curvature_y * y

    def d2f(self, x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        return (self.curvature_x, 0.0), (0.0, self.curvature_y)


@settings
class Saddle(Surface):
    """A mountain pass: f = (x² − y²)/2. The gradient is zero at (0, 0), which is no minimum; there is none."""

    name = "saddle"
    start = (-1.8, 0.01)
    minima = ()
    bounds = (-2.0, 2.0, -2.0, 2.0)

    def f(self, x: Any, y: Any) -> Any:
        return 0.5 * (x * x - y * y)

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        return x, -y

    def d2f(self, x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        return (1.0, 0.0), (0.0, -1.0)


@settings
class DoubleWell(Surface):
    """A shallow well at (−1, 0), a deeper one at (1, 0), and the pass between them at (−t, 0), t = tilt.

    f = depth (x − 1)² (3x² + (6 + 4t) x + 3 + 8t)/3 + y²/2,  so  ∂f/∂x = 4 depth (x² − 1)(x + t)

    Without tilt this is depth (x² − 1)² + y²/2, twin wells of that depth. With it the shallow well is `climb`
    deep, f(−1, 0) = 16/3 depth t, and the minimum stays f(1, 0) = 0. The smaller the tilt, the deeper the shallow
    well. Raises SettingError for depth not above 0 or tilt not in [0, 1).
    """

    depth: Annotated[float, positive, "1 is the textbook's (x² − 1)²."] = 1.0
    tilt: Annotated[float, share, "0 makes twin wells; at 1 the shallow one is gone."] = 0.3

    name = "double well"
    start = (-1.8, 0.8)
    minima = ((1.0, 0.0), (-1.0, 0.0))
    bounds = (-2.0, 2.0, -1.5, 1.5)

    @property
    def climb(self) -> float:
        """From the bottom of the shallow well up to the pass: depth (1 − t)³ (1 + t/3)."""
        return self.depth * (1.0 - self.tilt) ** 3 * (1.0 + self.tilt / 3.0)

    def f(self, x: Any, y: Any) -> Any:
        t = self.tilt
        rest = (3.0 * x + 6.0 + 4.0 * t) * x + 3.0 + 8.0 * t
        return self.depth / 3.0 * (x - 1.0) * (x - 1.0) * rest + 0.5 * y * y

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        return 4.0 * self.depth * (x * x - 1.0) * (x + self.tilt), 1.0 * y

    def d2f(self, x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        return (4.0 * self.depth * (3.0 * x * x + 2.0 * self.tilt * x - 1.0), 0.0), (0.0, 1.0)


@settings
class Rosenbrock(Surface):
    """The banana valley (Rosenbrock 1960): f = (1 − x)² + 100 (y − x²)². Minimum 0 at (1, 1)."""

    name = "Rosenbrock"
    start = (-1.2, 1.0)
    minima = ((1.0, 1.0),)
    bounds = (-2.0, 2.0, -1.0, 3.0)

    def f(self, x: Any, y: Any) -> Any:
        u, v = 1.0 - x, y - x * x
        return u * u + 100.0 * v * v

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        v = y - x * x
        return -2.0 * (1.0 - x) - 400.0 * x * v, 200.0 * v

    def d2f(self, x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        hxy = -400.0 * x
        return (2.0 + 1200.0 * x * x - 400.0 * y, hxy), (hxy, 200.0)


@settings
class Beale(Surface):
    """Plateaus and cliffs (Beale 1958): f = r1² + r2² + r3², ri = ci − x (1 − yⁱ), c = 1.5, 2.25, 2.625.

    Minimum 0 at (3, 0.5); a flat saddle at (0, 1), where Newton's rule likes to end.
    """

    name = "Beale"
    start = (1.0, 1.5)
    minima = ((3.0, 0.5),)
    bounds = (-4.5, 4.5, -4.5, 4.5)

    def residuals(self, x: Any, y: Any) -> Any:
        """(r, ∂r/∂x, ∂r/∂y, ∂²r/∂x∂y, ∂²r/∂y²) for i = 1, 2, 3."""
        y2 = y * y
        y3 = y2 * y
        return (
            (1.5 - x + x * y, y - 1.0, x, 1.0, 0.0),
            (2.25 - x + x * y2, y2 - 1.0, 2.0 * x * y, 2.0 * y, 2.0 * x),
            (2.625 - x + x * y3, y3 - 1.0, 3.0 * x * y2, 3.0 * y2, 6.0 * x * y),
        )

    def f(self, x: Any, y: Any) -> Any:
        return sum(r * r for r, *_ in self.residuals(x, y))

    def df(self, x: Any, y: Any) -> tuple[Any, Any]:
        y2 = y * y  # written out: a path asks for the gradient thousands of times
        r1, r2, r3 = 1.5 - x + x * y, 2.25 - x + x * y2, 2.625 - x + x * y2 * y
        dx = r1 * (y - 1.0) + r2 * (y2 - 1.0) + r3 * (y2 * y - 1.0)
        return 2.0 * dx, 2.0 * x * (r1 + 2.0 * y * r2 + 3.0 * y2 * r3)

    def d2f(self, x: Any, y: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        terms = self.residuals(x, y)
        hxx = sum(2.0 * rx * rx for _, rx, *_ in terms)
        hxy = sum(2.0 * (rx * ry + r * rxy) for r, rx, ry, rxy, _ in terms)
        hyy = sum(2.0 * (ry * ry + r * ryy) for r, _, ry, _, ryy in terms)
        return (hxx, hxy), (hxy, hyy)


bowl = Ravine(1.0, 1.0)
ravine = Ravine()
saddle = Saddle()
double_well = DoubleWell()
rosenbrock = Rosenbrock()
beale = Beale()


def descend(surface: Surface, optimizer: Any, start: Any = None, steps: int = 60) -> np.ndarray:
    """The path of an optimizer from `start` (the surface's own if None), as an array (steps + 1, 2) of floats.

    x and y are two Python floats, each moved by its own copy of the optimizer, which itself stays unused; the rule is
    called without what Optimizer.step prepares, for speed. A path that diverges ends before its first point beyond
    10⁶, so it is shorter, and every number in it is finite.
    """
    x, y = starting_point("descend", surface, start)
    check("descend.steps", steps_rule, steps, "60 make a picture.")
    move_x, move_y = copy.deepcopy(optimizer), copy.deepcopy(optimizer)
    move_x.start(x)
    move_y.start(y)
    lr, varies = move_x.learning_rate, callable(move_x.learning_rate)
    gradient, update_x, update_y = surface.df, move_x.update, move_y.update
    xs, ys = [x], [y]
    for step in range(1, steps + 1):
        lr = move_x.rate() if varies else lr
        move_x.lr = move_y.lr = lr
        move_x.steps = move_y.steps = step
        gx, gy = gradient(x, y)
        x, y = update_x(x, gx, lr), update_y(y, gy, lr)
        if not near(x, y):
            break
        xs.append(x)
        ys.append(y)
    return np.array([xs, ys]).T.copy()


def newton_path(surface: Surface, start: Any = None, steps: int = 20) -> np.ndarray:
    """Newton's rule without damping, as an array (at most steps + 1, 2): θ ← θ − H⁻¹g.

    It jumps to where the local quadratic is flat: the minimum of a ravine in one step, but a saddle or a top just
    as gladly. The path ends early where the gradient is zero, H is singular, or the next point lies beyond 10⁶.
    """
    x, y = starting_point("newton_path", surface, start)
    check("newton_path.steps", steps_rule, steps, "20 are plenty.")
    path = [(x, y)]
    for _ in range(steps):
        gx, gy = surface.df(x, y)
        (a, b), (_, c) = surface.d2f(x, y)
        determinant = a * c - b * b
        if (gx, gy) == (0.0, 0.0) or abs(determinant) <= 1e-12 * max(abs(a), abs(b), abs(c)) ** 2:
            break
        x, y = x - (c * gx - b * gy) / determinant, y - (a * gy - b * gx) / determinant
        if not near(x, y):
            break
        path.append((x, y))
    return np.array(path)


def starting_point(name: str, surface: Surface, start: Any) -> Point:
    point = surface.start if start is None else start
    check(f"{name}.start", point_rule, point, "Give (x, y), or None for the surface's own.")
    return float(point[0]), float(point[1])


def near(x: float, y: float) -> bool:
    """False for NaN as well."""
    return -FAR_AWAY <= x <= FAR_AWAY and -FAR_AWAY <= y <= FAR_AWAY
