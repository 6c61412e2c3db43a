"""Every schedule: against TensorFlow and PyTorch, at its boundaries, and inside an optimizer."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import schedules
from dlcourse.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LinearCosineDecay,
    NaturalExponentialDecay,
    NoisyLinearCosineDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
    ReduceOnPlateau,
    Schedule,
    Warmup,
)
from dlcourse.settings import SettingError

ORACLES = Path(__file__).parent / "oracles"
TENSORFLOW = json.loads((ORACLES / "tensorflow_schedules.json").read_text())
PYTORCH = json.loads((ORACLES / "torch_schedules.json").read_text())

# A new schedule adds a row here and gets every common test.
SCHEDULES = [
    PiecewiseConstantDecay([100, 200], [1.0, 0.1, 0.01]),
    PolynomialDecay(0.1, 100),
    PolynomialDecay(0.1, 100, cycle=True),
    ExponentialDecay(0.1, 100, 0.5),
    NaturalExponentialDecay(0.1, 100, 0.5),
    InverseTimeDecay(0.1, 100, 0.5),
    CosineDecay(0.1, 100),
    CosineDecayRestarts(0.1, 100),
    LinearCosineDecay(0.1, 100),
    NoisyLinearCosineDecay(0.1, 100),
    ReduceOnPlateau(0.1),
    Warmup(5, then=CosineDecay(0.1, 100)),
    OneCycle(0.1, 1000),
]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)


def values(schedule, steps):
    return [schedule(step) for step in steps]


# Against TensorFlow, which computes in float32: the tolerances of its own tests.


@pytest.mark.parametrize(("name", "settings", "rates"), TENSORFLOW["rows"])
def test_schedule_agrees_with_tensorflow(name, settings, rates):
    ours = values(getattr(schedules, name)(**settings), TENSORFLOW["steps"])
    np.testing.assert_allclose(ours, rates, rtol=2e-6, atol=2e-7)


def test_tensorflow_has_been_asked_for_every_schedule_it_has():
    asked = {name for name, _, _ in TENSORFLOW["rows"]}
    assert asked == set(schedules.__all__) - {"OneCycle", "ReduceOnPlateau", "Schedule", "Warmup"}


# The expectations of TensorFlow's own tests, learning_rate_decay_test.py.


def test_piecewise_constant_keeps_its_value_on_the_boundary():
    schedule = PiecewiseConstantDecay([100, 110, 120], [1.0, 0.1, 0.01, 0.001])
    assert values(schedule, [0, 100, 101, 105, 110, 111, 120, 121, 999]) == [
        1,
        1,
        0.1,
        0.1,
        0.1,
        0.01,
        0.01,
        0.001,
        0.001,
    ]
    assert values(PiecewiseConstantDecay([1, 2, 3], [0.4, 0.5, 0.6, 0.7]), range(5)) == [0.4, 0.4, 0.5, 0.6, 0.7]
    assert values(PiecewiseConstantDecay([], [0.3]), [0, 9]) == [0.3, 0.3]


@pytest.mark.parametrize(
    ("settings", "step", "rate"),
    [
        ({}, 5, 0.0255),
        ({}, 10, 0.001),
        ({}, 15, 0.001),
        ({"cycle": True}, 15, 0.01325),
        ({"cycle": True}, 10, 0.001),  # at D it has arrived, and starts anew one step later
        ({"cycle": True}, 11, 0.001 + 0.049 * 9 / 20),
        ({"cycle": True}, 20, 0.001),
        ({"power": 0.5}, 5, 0.0356482),
        ({"power": 0.5}, 10, 0.001),
        ({"power": 0.5, "cycle": True}, 15, 0.0255),
        ({"initial_learning_rate": 0.001, "cycle": True}, 0, 0.001),
    ],
)
def test_polynomial(settings, step, rate):
    settings = {"initial_learning_rate": 0.05, "decay_steps": 10, "end_learning_rate": 0.001, **settings}
    assert PolynomialDecay(**settings)(step) == pytest.approx(rate, rel=1e-6)


def test_exponential_and_its_staircase():
    assert ExponentialDecay(0.05, 10, 0.96)(5) == pytest.approx(0.05 * 0.96**0.5)
    stairs = ExponentialDecay(0.1, 3, 0.96, staircase=True)
    assert values(stairs, [0, 1, 2]) == [0.1] * 3
    assert stairs(3) == 0.1 * 0.96
    assert stairs(100) == pytest.approx(0.1 * 0.96**33)


def test_natural_exponential_and_inverse_time():
    for i in range(11):
        assert NaturalExponentialDecay(0.1, 10, 0.96)(i) == pytest.approx(0.1 * math.exp(-0.96 * i / 10))
        assert InverseTimeDecay(0.1, 10, 0.96)(i) == pytest.approx(0.1 / (1 + 0.96 * i / 10))
        assert NaturalExponentialDecay(0.1, 3, 0.96, True)(i) == pytest.approx(0.1 * math.exp(-0.96 * (i // 3)))
        assert InverseTimeDecay(0.1, 3, 0.96, True)(i) == pytest.approx(0.1 / (1 + 0.96 * (i // 3)))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (CosineDecay(1.0, 1000), [1, 0.853553, 0.5, 0.146447, 0, 0]),
        (CosineDecay(1.0, 1000, alpha=0.1), [1, 0.868198, 0.55, 0.231802, 0.1, 0.1]),
        (CosineDecayRestarts(1.0, 1000), [1, 0.853553, 0.5, 0.146447, 1, 0.961940]),
        (LinearCosineDecay(1.0, 1000), [1.001, 0.641165, 0.251, 0.0376117, 0.001, 0.001]),
        (
            LinearCosineDecay(1.0, 1000, num_periods=5.0, alpha=0.1, beta=1e-4),
            [1.1001, 0.4251, 0.0001, 0.1751, 0.1001, 0.1001],
        ),
        (NoisyLinearCosineDecay(1.0, 1000, initial_variance=0.0), [1.001, 0.641165, 0.251, 0.0376117, 0.001, 0.001]),
    ],
    ids=repr,
)
def test_cosines(schedule, rates):
    assert values(schedule, range(0, 1251, 250)) == pytest.approx(rates, rel=2e-6, abs=5e-7)  # six digits are given


# Restarts


@pytest.mark.parametrize("first", [10, 100, 1000])
def test_restarts_fall_on_the_step_where_a_period_is_full(first):
    """1.1 is no binary fraction, and 100 · 1.1 is more than 110 in floats: the period is 110 all the same."""
    schedule = CosineDecayRestarts(1.0, first, t_mul=1.1, m_mul=0.5)
    assert schedule(first - 1) == pytest.approx(0.5 * (1 + math.cos(math.pi * (first - 1) / first)))
    assert schedule(first) == 0.5
    assert schedule(first * 21 // 10) == 0.25
    assert 0 < schedule(first * 21 // 10 - 1) < 0.02
    if first >= 100:
        assert schedule(first * 331 // 100) == 0.125


def test_restarts_never_reach_the_minimum_and_always_the_top():
    rates = values(CosineDecayRestarts(1.0, 8), range(8 + 16 + 32 + 1))
    assert [i for i, rate in enumerate(rates) if rate == 1.0] == [0, 8, 24, 56]
    assert min(rates) > 0


@pytest.mark.parametrize("settings", [{"t_mul": 1.0}, {"t_mul": 1.0, "m_mul": 0.9999}, {"t_mul": 1.5}, {"t_mul": 7}])
def test_restarts_late_in_a_long_training(settings):
    assert math.isfinite(CosineDecayRestarts(0.1, 3, **settings)(10**7 + 1))
    ends = np.cumsum([12.0 * settings["t_mul"] ** i for i in range(9)])  # 12 · 1.5⁹ is still no whole number of halves
    for end in ends[ends % 1 == 0]:
        schedule = CosineDecayRestarts(1.0, 12, t_mul=settings["t_mul"])
        assert schedule(int(end)) == 1.0 > schedule(int(end) - 1)


# Noise


def test_noise_depends_on_seed_and_step_only():
    schedule, again = NoisyLinearCosineDecay(0.1, 100, seed=4), NoisyLinearCosineDecay(0.1, 100, seed=4)
    forward = values(schedule, range(150))
    assert values(again, reversed(range(150))) == forward[::-1]
    assert values(NoisyLinearCosineDecay(0.1, 100, seed=5), range(150)) != forward
    assert len(set(forward[:90])) == 90


def test_noise_has_the_variance_it_says():
    """ξ = (η/η₀ − β)/wave − α − linear ~ N(0, V/(1 + s)^decay), over many seeds."""
    for step in (0, 30, 400):
        passed = min(step, 100)
        wave = 0.5 * (1 + math.cos(2 * math.pi * passed / 100))  # one whole period: the wave is 1 at D
        rates = [NoisyLinearCosineDecay(2.0, 100, 3.0, 0.7, num_periods=1.0, seed=seed)(step) for seed in range(600)]
        noise = (np.array(rates) / 2 - 0.001) / wave - (1 - passed / 100)
        variance = 3.0 / (1 + passed) ** 0.7
        assert abs(noise.mean()) < 4 * math.sqrt(variance / 600)
        assert noise.var() / variance == pytest.approx(1, abs=5 * math.sqrt(2 / 600))


def test_noise_may_push_the_rate_below_zero_and_never_dies_with_a_whole_wave():
    schedule = NoisyLinearCosineDecay(0.1, 100, num_periods=1.0)
    late = values(schedule, range(100, 400))
    assert min(late) < 0 < max(late)
    assert dl.SGD(schedule).step(1.0, 0.0) == 1.0


# Up, then down


def test_warmup_starts_above_zero_and_hands_over_its_first_rate():
    schedule = Warmup(4, then=lambda step: 0.8 - 0.1 * step)
    assert values(schedule, range(7)) == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.7, 0.6])
    assert values(Warmup(2, then=0.5), range(4)) == [0.25, 0.5, 0.5, 0.5]
    assert Warmup(1, then=0.5)(0) == 0.5


def test_warmup_composes():
    schedule = Warmup(100, then=CosineDecay(0.1, 900))
    assert schedule(0) == pytest.approx(0.001)
    assert schedule(99) == schedule(100) == 0.1
    assert schedule(550) == pytest.approx(0.05)
    assert schedule(1000) == 0.0
    twice = Warmup(2, then=Warmup(2, then=0.4))
    assert values(twice, range(5)) == pytest.approx([0.1, 0.2, 0.2, 0.4, 0.4])


def test_warmup_passes_on_what_the_schedule_behind_it_observes():
    plateau = ReduceOnPlateau(0.4, factor=0.5, patience=0)
    schedule = Warmup(2, then=plateau)
    schedule.observe(1.0)
    schedule.observe(1.0)
    assert values(schedule, range(3)) == [0.1, 0.2, 0.2]
    schedule.reset()
    assert schedule(5) == 0.4
    assert not hasattr(Warmup(2, then=CosineDecay(0.1, 10)), "observe")
    assert not hasattr(Warmup(2, then=0.1), "observe")
    Warmup(2, then=0.1).reset()


def test_warmup_of_a_column_for_every_lane():
    column = np.array([[0.1], [0.2]])
    schedule = Warmup(4, then=lambda step: column)
    np.testing.assert_allclose(schedule(1), column / 2)
    theta = np.ones((2, 3))
    dl.SGD(schedule).step(theta, np.ones((2, 3)))
    np.testing.assert_allclose(theta[:, 0], [0.975, 0.95])


@pytest.mark.parametrize(("settings", "rates"), PYTORCH["cycles"])
def test_one_cycle_agrees_with_pytorch(settings, rates):
    settings = {"max_learning_rate": settings["max_lr"], **{k: v for k, v in settings.items() if k != "max_lr"}}
    np.testing.assert_allclose(values(OneCycle(**settings), range(settings["total_steps"])), rates, rtol=1e-12)


def test_one_cycle_says_where_it_ends():
    schedule = OneCycle(1.0, 20)
    assert schedule(5) == 1.0  # 0.3 · 20 − 1
    assert schedule(0) == pytest.approx(1 / 25)
    assert schedule(19) == pytest.approx(1 / 25 / 1e4)
    with pytest.raises(SettingError, match=r"OneCycle.step must be below total_steps=20; got step=20. Give epochs ×"):
        schedule(20)


@pytest.mark.parametrize(("steps", "share"), [(3, 0.3), (10, 0.1), (1, 0.5)])
def test_one_cycle_without_a_way_up_is_refused(steps, share):
    with pytest.raises(SettingError, match=r"OneCycle.pct_start must leave the way up more than one step"):
        OneCycle(1.0, steps, pct_start=share)
    schedule = OneCycle(1.0, 100, pct_start=share)
    schedule.total_steps = steps
    with pytest.raises(SettingError, match=r"OneCycle.pct_start"):
        schedule(0)


# Plateaus


@pytest.mark.parametrize(("settings", "rates"), PYTORCH["plateaus"], ids=lambda v: None)
def test_plateau_agrees_with_pytorch(settings, rates):
    settings = dict(settings)
    schedule = ReduceOnPlateau(PYTORCH["initial"], min_learning_rate=settings.pop("min_lr"), **settings)
    ours = []
    for metric in PYTORCH["metrics"]:
        schedule.observe(math.nan if metric is None else metric)
        ours.append(schedule(len(ours)))
    np.testing.assert_allclose(ours, rates, rtol=1e-14)


def after(metrics, **settings):
    """The rate, begun at 1 and halved at every cut, after these metrics."""
    schedule = ReduceOnPlateau(1.0, **{"factor": 0.5, "patience": 0, "threshold": 0.1, **settings})
    for metric in metrics:
        schedule.observe(metric)
    return schedule(0)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_relative_threshold_of_a_negative_metric_still_asks_for_progress(mode):
    """best − threshold · |best|: from −10, 10 % better is −11 (or −9). PyTorch is content with −9.1 (or −10.9)."""
    better, worse = (-11.5, -10.5) if mode == "min" else (-8.5, -9.5)
    assert after([-10.0, better], mode=mode) == 1.0
    assert after([-10.0, worse], mode=mode) == 0.5
    assert after([-10.0, -10.0], mode=mode, threshold=0.0) == 0.5


def test_patience_counts_the_epochs_that_are_forgiven():
    """patience p cuts in bad epoch p + 1; Keras does so in bad epoch p."""
    assert [after([1.0] + [1.0] * bad, patience=2) for bad in range(7)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_cooldown_forgives_what_follows_a_cut():
    assert [after([1.0] + [1.0] * bad, cooldown=2) for bad in range(7)] == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("metric", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_metric_that_is_no_number_counts_as_bad(metric, mode):
    assert after([1.0, metric], mode=mode) == 0.5
    assert after([metric], mode=mode) == 0.5
    assert after([metric, 1.0], mode=mode) == 0.5  # the first number is the best so far
    assert after([1.0, metric, 0.5 if mode == "min" else 1.5], mode=mode) == 0.5


def test_plateau_stops_at_the_minimum_and_never_rises_to_it():
    assert after([1.0] * 9, min_learning_rate=0.2) == 0.2
    assert after([1.0] * 9, min_learning_rate=3.0) == 1.0
    assert after([1.0] * 9, factor=0.0) == 0.0


def test_plateau_forgets_when_training_starts():
    schedule = ReduceOnPlateau(1.0, patience=0)
    optimizer, theta = dl.SGD(schedule), np.ones(1)
    schedule.observe(1.0)
    schedule.observe(1.0)
    assert schedule(7) == schedule(0) == pytest.approx(0.1)
    optimizer.start(theta)
    assert schedule(0) == 1.0
    assert (schedule.best, schedule.bad, schedule.wait) == (None, 0, 0)


@pytest.mark.parametrize("metric", [None, "low", [1.0], np.ones(2)])
def test_plateau_refuses_what_is_no_metric(metric):
    with pytest.raises(SettingError, match=r"ReduceOnPlateau.metric must be a real number.*all lanes together"):
        ReduceOnPlateau(0.1).observe(metric)


@pytest.mark.parametrize("metric", [1, np.float32(1.0), np.float64(1.0), np.int64(1)])
def test_plateau_takes_any_real_number(metric):
    schedule = ReduceOnPlateau(0.1)
    schedule.observe(metric)
    assert schedule.best == 1.0 and type(schedule(0)) is float


# What all have in common


@every_schedule
def test_schedule_gives_python_floats(schedule):
    for step in (0, 1, 99, 100, 101, 250, 999, np.int64(7)):
        rate = schedule(step)
        assert type(rate) is float and math.isfinite(rate)
        assert schedule(step) == rate


def test_whole_numbers_and_numpy_numbers_give_python_floats_too():
    for schedule in (
        PiecewiseConstantDecay([1], [1, 2]),
        PolynomialDecay(1, 10, 0),
        ExponentialDecay(np.float32(0.5), np.int64(10), 1),
        CosineDecay(np.float64(1.0), 10),
        ReduceOnPlateau(1),
        Warmup(2, then=1),
        Warmup(2, then=lambda step: np.float64(0.5)),
    ):
        assert all(type(rate) is float for rate in values(schedule, range(4)))


@every_schedule
@pytest.mark.parametrize("step", [-1, 0.5, 3.0, "3", None, True, math.nan], ids=repr)
def test_step_that_is_no_step_is_refused(schedule, step):
    with pytest.raises(SettingError, match=rf"{type(schedule).__name__}.step must be a whole number, 0 or more; got"):
        schedule(step)


@every_schedule
def test_optimizer_asks_for_step_0_first(schedule):
    optimizer, theta = dl.SGD(schedule), np.ones(2, "float32")
    for step in range(3):
        expected = schedule(step)
        optimizer.step(theta, np.ones(2, "float32"))
        assert optimizer.lr == expected
    assert theta.dtype == "float32"


@every_schedule
def test_path_on_a_surface_follows_the_schedule(schedule):
    point, path = np.array([1.0, -1.0]), [[1.0, -1.0]]
    optimizer = dl.SGD(schedule)
    for _ in range(10):
        path.append(optimizer.step(point, point.copy()).tolist())
    np.testing.assert_array_equal(dl.surfaces.descend(dl.surfaces.bowl, dl.SGD(schedule), (1.0, -1.0), 10), path)


@every_schedule
def test_schedule_prints_as_the_call_that_makes_it(schedule):
    again = eval(repr(schedule), vars(schedules))
    assert repr(again) == repr(schedule)
    assert values(again, range(20)) == values(schedule, range(20))


@every_schedule
def test_schedule_shows_its_formula(schedule):
    code = dl.show_source(type(schedule))
    assert code.startswith("# η = ") or type(schedule) in (OneCycle, ReduceOnPlateau, NoisyLinearCosineDecay)
    assert code.startswith("# ")
    compile(code, "shown", "exec")


def test_recipe_of_the_notes():
    """Rate 0.1, factor 0.1 every 1000 steps, on a staircase: 0.1 up to step 999, 0.01 from 1000 on."""
    schedule = ExponentialDecay(0.1, 1000, 0.1, staircase=True)
    assert values(schedule, [0, 999]) == [0.1, 0.1]
    assert values(schedule, [1000, 1999, 2000]) == pytest.approx([0.01, 0.01, 0.001])


@pytest.mark.parametrize(
    "schedule",
    [
        ExponentialDecay(0.1, 1, 10.0),
        ExponentialDecay(1e308, 1, 10.0),
        CosineDecayRestarts(0.1, 1, t_mul=1.0, m_mul=2.0),
        Warmup(1, then=ExponentialDecay(0.1, 1, 10.0)),
        Warmup(1, then=lambda step: math.nan),
        Warmup(1, then=lambda step: "fast"),
        Warmup(1, then=lambda step: None),
    ],
    ids=lambda schedule: re.sub(" at 0x[0-9a-f]+", "", repr(schedule)),
)
def test_rate_that_is_no_finite_number_is_never_given(schedule):
    with pytest.raises((SettingError), match=r"must be a finite number; got"):
        schedule(2000)


STEPS, LENGTHS = [0, -1, 2.5, math.nan, None, "10"], ["decay_steps", "first_decay_steps", "total_steps", "steps"]
RATES = [-0.1, math.nan, math.inf, None, "0.1", np.array([[0.1], [0.2]])]
NUMBERS = [math.nan, math.inf, None, "1", np.array([[0.1], [0.2]])]
BAD = {
    "initial_learning_rate": RATES,
    "max_learning_rate": RATES,
    "min_learning_rate": RATES,
    **dict.fromkeys(LENGTHS, STEPS),
    "boundaries": [[2, 1], [1, 1], [math.nan], 5, None, ["a"]],
    "values": [[math.nan, 1.0, 1.0], 0.1, None, ["a", "b", "c"]],
    "end_learning_rate": NUMBERS,
    "power": [0.0, -1.0, *NUMBERS],
    "cycle": ["yes", 1, None],
    "staircase": ["yes", 1, None],
    "decay_rate": [-0.5, *NUMBERS],
    "alpha": NUMBERS,
    "beta": NUMBERS,
    "num_periods": NUMBERS,
    "t_mul": [0.9, 0.0, -1.0, *NUMBERS],
    "m_mul": [-1.0, *NUMBERS],
    "initial_variance": [-1.0, *NUMBERS],
    "variance_decay": NUMBERS,
    "seed": [-1, 0.5, None],
    "factor": [1.0, 1.5, -0.1, *NUMBERS],
    "patience": [-1, 0.5, None],
    "cooldown": [-1, 0.5, None],
    "threshold": [-1.0, *NUMBERS],
    "threshold_mode": ["relative", None],
    "mode": ["MIN", None],
    "then": [-0.1, math.nan, None, "fast"],
    "pct_start": [0.0, 1.0, -0.5, *NUMBERS],
    "div_factor": [0.0, -1.0, *NUMBERS],
    "final_div_factor": [0.0, -1.0, *NUMBERS],
}


@every_schedule
def test_every_bad_setting_is_refused_when_made_and_when_assigned(schedule):
    cls = type(schedule)
    good = {name: getattr(schedule, name) for name in schedule.__dataclass_fields__}
    for name in good:
        for bad in BAD[name]:
            with pytest.raises(SettingError, match=rf"{cls.__name__}.{name} must "):
                cls(**{**good, name: bad})
            with pytest.raises(SettingError, match=rf"{cls.__name__}.{name} must "):
                setattr(schedule, name, bad)
    assert {name: getattr(schedule, name) for name in good} == good


def test_misspelt_setting_is_refused():
    with pytest.raises(SettingError, match=r"CosineDecay.decay_step must be a setting that exists.*mean decay_steps"):
        CosineDecay(0.1, decay_step=10)


def test_boundaries_and_values_must_match_when_made_and_when_used():
    message = (
        r"PiecewiseConstantDecay.values must have one value more than there are boundaries, 2; got values=\[1, 2\]"
    )
    with pytest.raises(SettingError, match=message):
        PiecewiseConstantDecay([10, 20], [1, 2])
    schedule = PiecewiseConstantDecay([10, 20], [1, 2, 3])
    schedule.values = [1, 2]
    with pytest.raises(SettingError, match=message):
        schedule(0)


def test_schedule_is_an_interface():
    with pytest.raises(NotImplementedError):
        Schedule()(0)
