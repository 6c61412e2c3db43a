"""The labs of the first half of 02_momentum: what a finding says is so, at every setting, and stays so."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import surfaces, theory
from dlcourse.labs import Choice
from dlcourse.labs.momentum import balls, limits, minibatches

LABS = {
    "valley": balls.valley,
    "double_well": balls.double_well,
    "look_ahead": balls.look_ahead,
    "best_rates": limits.best_rates,
    "stability": limits.stability,
    "noise": minibatches.noise,
    "digits": minibatches.digits,
    "luck": minibatches.luck,
}
QUICK = ("valley", "double_well", "look_ahead", "best_rates", "stability", "noise")


def somewhere(lab, how_many, seed=0):
    """Settings drawn at random: ends, middles and anything between."""
    rng = np.random.default_rng(seed)
    for _ in range(how_many):
        given = {}
        for name, control in lab.controls.items():
            if isinstance(control, Choice):
                given[name] = control.options[int(rng.integers(len(control.options)))]
                continue
            share = rng.choice([0.0, 0.5, 1.0, rng.random(), rng.random()])
            if control.log:
                given[name] = float(control.low * (control.high / control.low) ** share)
            else:
                steps = round(share * (control.high - control.low) / control.step)
                given[name] = type(control.low)(round(control.low + steps * control.step, 10))
        yield lab.settings(**given)


def found(lab, settings):
    *_, state = lab.states(settings)
    return state, lab.describe(state, settings)


@pytest.mark.parametrize("name", LABS)
def test_findings_are_sentences_everywhere(name):
    lab = LABS[name]()
    for settings in [lab.settings(), *somewhere(lab, 30 if name in QUICK else 1)]:
        _, finding = found(lab, settings)
        assert finding[0].isupper() or finding[0] in "ηκμ" or finding[0].isdigit(), (settings, finding)
        assert finding.endswith(".") and not re.search(r"\b(nan|inf|None)\b", finding), (settings, finding)


# In the valley


def end_of_a_run(learning_rate, momentum, steps, ahead=False):
    """Momentum or Nesterov's rule in the ravine, by hand: the largest distance in the last fifth of the steps."""
    theta, v, away = np.array([-9.0, 2.5]), np.zeros(2), []
    for _ in range(steps):
        step = learning_rate * theta * [1.0, 25.0]
        v = momentum * v - step
        theta = theta + (momentum * v - step if ahead else v)
        away.append(np.hypot(*theta))
    return max(away[-steps // 5 :])


@pytest.mark.parametrize("mu", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("ahead", [False, True])
def test_what_climbs_out_does_so_for_ever(mu, ahead):
    make = dl.Nesterov if ahead else dl.Momentum
    limit = (theory.nesterov_stability_limit if ahead else theory.stability_limit)(mu, 25.0)
    for share, climbs in [(0.97, False), (1.0, False), (1.03, True)]:
        assert balls.climbs_out(make(share * limit, mu)) == climbs
        if share != 1.0:
            ends = [end_of_a_run(share * limit, mu, steps, ahead) for steps in (400, 800)]
            assert (ends[1] > ends[0]) == climbs


def test_a_hiker_is_a_ball_without_memory():
    assert not balls.climbs_out(dl.SGD(0.08)) and balls.climbs_out(dl.SGD(0.081))


def test_who_arrives_stays():
    """Of those that are said to arrive within the picture, none is outside again in ten times the steps."""
    lab, arrivals = balls.look_ahead(), 0
    for settings in somewhere(lab, 40):
        (_, arrived), finding = found(lab, settings)
        for rule, step in zip((dl.Momentum, dl.Nesterov), arrived, strict=True):
            if step <= balls.SEEN and not balls.climbs_out(rule(**settings)):
                way = surfaces.descend(surfaces.ravine, rule(**settings), steps=3000)
                assert np.linalg.norm(way[step:], axis=1).max() <= 0.1 < np.linalg.norm(way[step - 1])
                assert f"arrives at step {step}" in finding
                arrivals += 1
    assert arrivals > 10


# In the double well


def rolled(settings, steps):
    """x of the ball, by hand."""
    x, v, places = -1.9, 0.0, [-1.9]
    for _ in range(steps):
        slope = 4 * settings["depth"] * (x * x - 1) * (x + settings["tilt"])
        v = settings["momentum"] * v - settings["learning_rate"] * slope
        x += v
        places.append(x)
        if abs(x) > 1e6:
            break
    return np.array(places)


def test_what_rests_is_there_when_it_runs_twice_as_long_and_what_moves_is_not_there_yet():
    lab, rested, moving = balls.double_well(), 0, 0
    for settings in somewhere(lab, 150):
        _, finding = found(lab, settings)
        far = rolled(settings, 3000)
        if match := re.search(r"rests in the (deep|shallow) well", finding):
            floor = 1.0 if match[1] == "deep" else -1.0
            assert np.abs(far[150:] - floor).max() < 0.05 and abs(far[300] - floor) < 0.05
            rested += 1
        elif "still moving" in finding:
            x = far[:151]
            floor = 1.0 if x[-1] > -settings["tilt"] else -1.0
            assert np.abs(x[-40:] - floor).max() > 1e-3, (settings, finding)
            moving += 1
        else:
            assert len(far) <= 151 and finding.startswith("Diverged")
    assert rested > 30 and moving > 10


def test_a_ball_at_its_turning_point_does_not_rest():
    lab = balls.double_well()
    settings = lab.settings(momentum=0.99)
    (well, x, *_), _ = found(lab, settings)
    rule = dl.Momentum(settings["learning_rate"], settings["momentum"])
    turns = [t for t in range(40, 150) if (x[t] - x[t - 1]) * (x[t + 1] - x[t]) < 0]
    assert turns and not any(balls.rests(x[: t + 1], well, rule) for t in turns)


def test_the_start_is_in_the_picture_whatever_the_depth():
    lab = balls.double_well()
    for depth in (0.5, 1.0, 3.0):
        for tilt in (0.05, 0.6):
            state, figure = found(lab, lab.settings(depth=depth, tilt=tilt))[0], dl.plots.new_figure()
            figure.art = SimpleNamespace()
            balls.draw_fall(figure, state)
            assert figure.axes[0].get_ylim()[1] > state[0].value(balls.WALL, 0.0)


# How fast at best


@pytest.mark.parametrize("kappa", [2.5, 25.0, 100.0, 3000.0])
def test_steps_to_a_thousandth_by_hand(kappa):
    lab = limits.best_rates()
    (_, hiker, ball), finding = found(lab, lab.settings(condition=kappa))
    root = np.sqrt(kappa)
    t = np.arange(len(ball))
    plain = ((kappa - 1) / (kappa + 1)) ** t
    np.testing.assert_allclose(hiker, plain, rtol=1e-6, atol=1e-12)
    most = int(np.flatnonzero(plain > 1e-3)[-1]) + 1
    assert f"after {most} steps" in finding
    rho = (root - 1) / (root + 1)  # a double root at either end: (1 + ct) ρᵗ
    rate = (2 / (1 + root)) ** 2
    slow = (1 + t * ((1 - rate) / rho - 1)) * rho**t
    fast = (1 + t * ((1 - rate * kappa) / -rho - 1)) * (-rho) ** t
    np.testing.assert_allclose(ball, np.hypot(slow, fast) / np.sqrt(2), rtol=1e-5, atol=1e-10)
    assert limits.steps_to(ball) == int(np.flatnonzero(ball > 1e-3)[-1]) + 1 < most


@pytest.mark.parametrize("kappa", [2.5, 25.0, 400.0, 10_000.0])
def test_both_reach_a_thousandth_within_the_picture(kappa):
    (_, hiker, ball) = limits.race(kappa)
    assert max(limits.steps_to(hiker), limits.steps_to(ball)) < len(hiker)


# On data


def test_too_much_is_farther_off_than_the_start():
    lab, too_much = minibatches.noise(), 0
    for settings in somewhere(lab, 60):
        (_, points), finding = found(lab, settings)
        away = np.linalg.norm(points - minibatches.SURFACE.minima[0], axis=1)
        last = np.sqrt((away[-max(2, (len(points) - 1) // 4) :] ** 2).mean())
        assert ("too much" in finding) == (not last < away[0])
        too_much += "too much" in finding
    assert too_much


def test_ends_outside_the_frame_are_said():
    ends = np.array([[0.001, 0.5] + [0.1] * 22])
    finding = minibatches.describe_starts([ends, ends + 3], {"momentum": 0.9})
    assert "25 of the ends lie outside the frame" in finding
    assert "outside" not in minibatches.describe_starts([ends + 0.01, ends + 0.01], {"momentum": 0.9})
