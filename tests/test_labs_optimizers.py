"""The labs of the second sitting of 02_momentum: findings at every corner of the controls, and what they compute."""

import re
from itertools import product

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import surfaces
from dlcourse.labs import Choice
from dlcourse.labs.momentum import adaptive, natural, race, second_order, tuning
from dlcourse.plots import Board, new_figure, panels
from dlcourse.settings import SettingError

LABS = {
    "turned": adaptive.turned,
    "first_steps": adaptive.first_steps,
    "counterexample": adaptive.counterexample,
    "course": race.course,
    "digits": tuning.digits,
    "saddle": second_order.saddle,
    "newton": second_order.newton,
    "plateau": natural.plateau,
    "cost": natural.cost,
}


def corners(lab):
    """Every control at its ends with the others as they start, then all at their low and all at their high ends."""
    ends = {}
    for name, control in lab.controls.items():
        few = list(control.options) if isinstance(control, Choice) else [control.low, control.high]
        ends[name] = few if name != "seed" else [1]
    ones = [{name: value} for name, values in ends.items() for value in values]
    both = [{name: values[place] for name, values in ends.items()} for place in (0, -1)]
    return [{}, *ones, *both]


@pytest.mark.parametrize("name", LABS)
def test_findings_are_sentences_at_every_corner(name):
    lab = LABS[name]()
    for given in corners(lab):
        settings = lab.settings(**given)
        *_, state = lab.states(settings)
        finding = lab.describe(state, settings)
        assert finding[0].isupper() and finding.endswith("."), (given, finding)
        assert not re.search(r"\b(nan|inf|None)\b", finding), (given, finding)


@pytest.mark.parametrize("name", LABS)
def test_a_frame_is_the_same_whatever_came_before(name):
    lab = LABS[name]()
    first = lab.last_frame().png
    last = next(iter(lab.controls))
    control = lab.controls[last]
    lab.last_frame(**{last: control.options[-1] if isinstance(control, Choice) else control.high})
    assert lab.last_frame().png == first


# The race


@pytest.mark.parametrize("name", race.RULES)
def test_trials_are_the_paths_that_descend_walks(name):
    rates = np.array([0.001, 0.003])
    many = race.trials(surfaces.beale, [dl.SGD, race.RULES[name]], (1.0, 1.5), rates, steps=40)[:, 1]
    for lane, rate in enumerate(rates.tolist()):
        assert np.allclose(many[:, lane], surfaces.descend(surfaces.beale, race.RULES[name](rate), (1.0, 1.5), 40))


def test_arrival_is_the_step_after_the_last_one_outside():
    far, near = [1.0, 0.0], [0.05, 0.0]
    for path, step in [
        ([far, near, far, near, near], 3),
        ([near, near], 0),
        ([far, far], 2),
        ([far, [np.nan, 0.0]], 2),
        ([far, near], 1),
    ]:
        assert race.arrival(surfaces.ravine, np.array(path)) == step


def test_the_best_rate_arrives_soonest_among_those_that_never_throw_it_up():
    (rate, step, path), _ = race.best_runs(surfaces.ravine, [dl.SGD, dl.Momentum], (-3.6, 1.5))
    walks = {r: surfaces.descend(surfaces.ravine, dl.SGD(r), (-3.6, 1.5), race.STEPS) for r in race.RATES.tolist()}
    kept = {r: w for r, w in walks.items() if len(w) > race.STEPS and surfaces.ravine.value(w).argmax() == 0}
    assert step == min(race.arrival(surfaces.ravine, walk) for walk in kept.values())
    assert race.arrival(surfaces.ravine, walks[rate]) == step
    assert np.allclose(path, walks[rate])


@pytest.mark.parametrize("start", [(1.0, 1.5), (-4.0, 3.0), (0.0, 0.0)])
@pytest.mark.parametrize("ground", [surfaces.ravine, surfaces.rosenbrock, surfaces.beale], ids=lambda s: s.name)
def test_no_natural_gradient_of_the_three_rates_arrives_before_the_best(ground, start):
    best = race.best_natural_path(ground, start)
    paths = [race.natural_path(ground, start, rate) for rate in (0.1, 0.3, 1.0)]
    assert any(np.array_equal(best, path) for path in paths)
    assert race.arrival(ground, best) == min(race.arrival(ground, path) for path in paths if len(path) > race.STEPS)


@pytest.mark.parametrize("ground", [surfaces.ravine, surfaces.rosenbrock, surfaces.beale], ids=lambda s: s.name)
def test_residual_slopes_are_those_whose_squares_bend_the_surface_where_it_ends(ground):
    x, y = ground.minima[0]  # where the residuals are zero, JᵀJ is the Hessian
    slopes = np.array(race.residual_slopes(ground, x, y))
    assert np.allclose(slopes.T @ slopes, ground.hessian(x, y))


def test_the_board_ranks_all_its_names():
    (ax,) = panels(new_figure(3, 3))
    board = Board(ax, ["SGD", "Adam"])
    board.set_ranking([("Adam", "3"), ("SGD", "7")])
    assert [board.rows[name][1].get_position()[1] for name in ("Adam", "SGD")] == [0, 1]
    with pytest.raises(SettingError, match=r"Board\.results must hold each"):
        board.set_ranking([("Adam", "3")])


# Rates for every weight


@pytest.mark.parametrize("angle", [0, 20, 45])
def test_a_turned_valley_has_the_curvatures_it_was_made_of(angle):
    valley, h = adaptive.Turned(angle, 30.0), 1e-5
    hessian = [(np.array(valley.df(*(h * side))) - np.array(valley.df(*(-h * side)))) / (2 * h) for side in np.eye(2)]
    assert np.allclose(np.linalg.eigvalsh(hessian), [1.0, 30.0])
    x, y = 0.7, -0.3
    slope = [(valley.f(x + h, y) - valley.f(x - h, y)) / (2 * h), (valley.f(x, y + h) - valley.f(x, y - h)) / (2 * h)]
    assert np.allclose(valley.df(x, y), slope)


@pytest.mark.parametrize("start", [0, 30, 90])
@pytest.mark.parametrize("angle", [0, 45])
def test_the_start_keeps_its_place_in_the_valley_however_it_is_turned(angle, start):
    valley = adaptive.Turned(angle, 100.0, start)
    along, across = np.cos(np.radians(start)), np.sin(np.radians(start))
    assert np.hypot(*valley.start) == pytest.approx(1.5)
    assert valley.f(*valley.start) == pytest.approx(1.5**2 / 2 * (along**2 + 100 * across**2))


def test_adagrad_does_not_see_how_narrow_a_valley_along_the_axes_is():
    walks = [surfaces.descend(adaptive.Turned(0, kappa), dl.AdaGrad(0.5), steps=50) for kappa in (1.0, 1000.0)]
    assert np.allclose(*walks, atol=1e-6)


@pytest.mark.parametrize("beta1, beta2", [(0.9, 0.999), (0.0, 0.9), (0.99, 0.9)])
def test_uncorrected_steps_are_those_of_the_rule(beta1, beta2):
    rule, x, steps = adaptive.UncorrectedAdam(0.01, beta1, beta2, eps=1e-12), 0.0, []
    for _ in range(30):
        before, x = x, rule.step(x, -2.0)
        steps.append((x - before) / 0.01)
    assert np.allclose(steps, adaptive.uncorrected_step(beta1, beta2, np.arange(1, 31)))


def test_adam_goes_the_wrong_way_and_amsgrad_does_not():
    """Reddi, Kale & Kumar 2018, section 3: C = 3, β₁ = 0, β₂ = 1/(1 + C²)."""
    settings = {"learning_rate": lambda t: 0.5 / (t + 1) ** 0.5, "beta1": 0.0, "beta2": 0.1}
    assert adaptive.contrary(dl.Adam(**settings), 3.0)[0][-1] > 0.99
    assert adaptive.contrary(dl.AMSGrad(**settings), 3.0)[0][-1] < -0.98


def test_lonely_features_give_adaptive_rules_equal_weights():
    """The lemma of Wilson et al. 2017: weights ∝ sign(Xᵀy), here with size 1/4."""
    x, y, new = adaptive.lonely_features(3)
    w = adaptive.least_squares(dl.AdaGrad(0.1), x, y)
    assert np.allclose(w, np.sign(x.T @ y) / 4, atol=1e-6)
    plain = adaptive.least_squares(dl.SGD(0.1), x, y)
    assert np.allclose(plain, np.linalg.pinv(x) @ y, atol=1e-6)
    assert (np.sign(new @ plain) == y).all() and (new @ w > 0).all()


# The digits


def test_lanes_of_rates_are_single_runs():
    rates = np.array([0.01, 0.1])
    both = tuning.train_rates(dl.Adam, rates, epochs=1)
    for lane in (0, 1):
        assert np.array_equal(both[:, lane], tuning.train_rates(dl.Adam, rates[lane : lane + 1], epochs=1)[:, 0])


def test_smoothing_is_the_mean_of_the_last_values():
    values = np.arange(20.0) ** 2
    expected = [values[max(0, n - 9) : n + 1].mean() for n in range(20)]
    assert np.allclose(tuning.smooth(values), expected)


def test_the_slider_stands_on_the_rates_that_were_trained():
    slider = tuning.digits().controls["learning_rate"]
    shown = [slider.setting(slider.shown(rate)) for rate in tuning.RATES.tolist()]
    assert shown == tuning.RATES.tolist()


# Curvature


@pytest.mark.parametrize("eta, mu", list(product((0.01, 0.1), (0.0, 0.9))))
def test_the_distance_from_a_ridge_grows_by_the_root_of_the_rule(eta, mu):
    """λ = −1 in z² − (1 + μ − ηλ)z + μ = 0."""
    walk = surfaces.descend(surfaces.saddle, dl.Momentum(eta, mu), (0.0, 1e-9), 100)
    grows = max(np.roots([1.0, -(1.0 + mu + eta), mu]))
    assert walk[-1, 1] / walk[-2, 1] == pytest.approx(grows, rel=1e-3)


def test_who_never_gets_away_has_no_step():
    ways = second_order.leave(0.0, 0.1, 0.0, 0)
    assert [second_order.left_at(way) for way in ways.values()] == [None] * 10
    assert second_order.left_at(second_order.leave(1e-6, 0.1, 0.0, 0)["SGD"]) == np.ceil(np.log(1e6) / np.log(1.1))


@pytest.mark.parametrize("name, start", [("Beale", (1.0, 1.5)), ("Beale", (2.5, 0.3)), ("double well", (-0.4, 1.0))])
def test_the_map_of_ends_agrees_with_the_path(name, start):
    ground = race.COURSES[name]
    end = surfaces.newton_path(ground, start, 60)[-1]
    lowest = np.linalg.eigvalsh(ground.hessian(*end))[0]
    assert int(second_order.newton_ends(ground, *start)) == (0 if lowest > 0 else 1)


@pytest.mark.parametrize("x, y", [(1.4, 0.7), (1.6, -1.2), (-2.4, -3.0)])
def test_newtons_rule_is_said_to_be_on_its_way_while_it_is(x, y):
    """Starts on Beale's surface from which it needs more steps than the picture has, and ends at a saddle."""
    state = second_order.jump("Beale", x, y)
    assert "is on its way after 30 steps" in second_order.describe_jump(state, {"x": x, "y": y})
    end = surfaces.newton_path(surfaces.beale, (x, y), 150)[-1]
    assert np.hypot(*surfaces.beale.gradient(*end)) < 1e-6
    assert int(second_order.newton_ends(surfaces.beale, x, y)) == 1


@pytest.mark.parametrize("distance", [1e-9, 1e-3])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_who_has_left_a_saddle_stays_away(distance, noise, monkeypatch):
    left = {name: second_order.left_at(way) for name, way in second_order.leave(distance, 0.1, noise, 1).items()}
    monkeypatch.setattr(second_order, "STAY", 2 * second_order.STAY)
    for name, way in second_order.leave(distance, 0.1, noise, 1).items():
        assert left[name] is None or (np.abs(way[left[name] :, 1]) > 0.5).all()


def test_a_valley_without_end_is_no_end():
    assert int(second_order.newton_ends(surfaces.Ravine(1e-12, 1e-12), 1000.0, 0.0, steps=0)) == 3


def test_learned_at_is_the_step_after_the_last_high_loss():
    low, high = natural.LEARNED / 2, 1.0
    runs = np.array([[high, low, high], [low, low, high], [high, low, np.nan], [low, low, high]])
    assert natural.learned_at(runs).tolist() == [3, 0, 4]


def test_costs_in_units():
    assert natural.in_units(8e6, natural.SIZES) == "8 MB"
    assert natural.in_units(1e18 / 3 / natural.SPEED, natural.TIMES) == "1.06 years"
    assert natural.in_units(2e-10, natural.TIMES) == "0.2 ns"
