"""Settings test themselves: when an object is made, when one is assigned later, and by name."""

import copy
import math
import pickle
from typing import Annotated

import numpy as np
import pytest
from concepts import INITIALIZERS, LAYERS, LOSSES, OPTIMIZERS

import dlcourse as dl
from dlcourse.columns import Column
from dlcourse.settings import SettingError, check, count, one_of, rate, settings, share

NOT_NUMBERS = [math.nan, math.inf, -math.inf, "0.1", None, True, False, [0.1], 1j, np.nan, np.bool_(True)]
DENSE = {"units": 3}
# What each setting refuses, beyond what is no number at all: class, needed settings, name, rule, values.
NUMBERS = [
    *((row.make, {}, "learning_rate", "be a number, 0 or more, a (lanes, 1) column", [-0.1]) for row in OPTIMIZERS),
    *((kind, {}, "momentum", "be in [0, 1)", [-0.1, 1, 1.0, 1.5]) for kind in (dl.Momentum, dl.Nesterov)),
    (dl.SoftmaxCrossEntropy, {}, "label_smoothing", "be in [0, 1)", [-0.1, 1.0]),
    (dl.LeakyReLU, {}, "slope", "be a number, 0 or more", [-0.1]),
    (dl.Dense, {}, "units", "be a whole number, 1 or more", [0, -3, 2.0, np.float64(2)]),
    (dl.Constant, {}, "value", "be a finite number", []),
    (dl.Gaussian, {}, "mean", "be a finite number", []),
    (dl.Gaussian, {}, "std", "be a number, 0 or more", [-1]),
    (dl.Uniform, {}, "low", "be a finite number", []),
    (dl.Uniform, {}, "high", "be a finite number", []),
    (dl.Orthogonal, {}, "gain", "be a number above 0", [0, -1]),
]
OTHERS = [
    (dl.Dense, DENSE, "weight_init", "be an initializer", [0.1, "xavier", None]),
    (dl.Dense, DENSE, "bias_init", "be an initializer", [0.0]),
    *(
        (kind, {}, name, "be one of " + repr(choices[0]), ["sideways", None, 1])
        for kind in (dl.Xavier, dl.MSRA)
        for name, choices in (("fan", ["in"]), ("distribution", ["uniform"]))
    ),
]
BAD = [(*row[:4], value) for row in NUMBERS for value in NOT_NUMBERS + row[4]]
BAD += [(*row[:4], value) for row in OTHERS for value in row[4]]


def valid(kind, needed, name):
    """An object of this kind, with a good value for this setting."""
    return kind(**needed) if needed or name not in ("units", "value") else kind(**{name: 1})


@pytest.mark.parametrize(("kind", "needed", "name", "rule", "value"), BAD)
def test_bad_setting_is_refused_when_made_and_when_assigned(kind, needed, name, rule, value):
    made = valid(kind, needed, name)
    before = getattr(made, name)
    for attempt in (lambda: kind(**{**needed, name: value}), lambda: setattr(made, name, value)):
        with pytest.raises(SettingError) as refused:
            attempt()
        message = str(refused.value)
        assert message.startswith(f"{kind.__name__}.{name} must {rule}")
        shown = value.item() if isinstance(value, np.generic) else value
        assert f"; got {name}={shown!r}. " in message
        assert message.endswith(".")
        assert len(message.rpartition(f"{shown!r}. ")[2]) > 10, "what to do is missing"
    assert getattr(made, name) is before


def test_setting_error_is_a_value_error_and_a_type_error():
    for kind in (ValueError, TypeError):
        with pytest.raises(kind):
            dl.SGD(-1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dl.Momentum(momentun=0.9), "must be a setting that exists; got momentun=0.9. Did you mean momentum?"),
        (lambda: dl.SGD(lr=0.1), "SGD.lr must be a setting that exists; got lr=0.1. There are: learning_rate."),
        (lambda: dl.optimizers.RMSProp(centered=True), "RMSProp.centered must be a setting that exists"),  # s − m² < 0?
        (lambda: dl.optimizers.RMSProp(eps_inside=True), "RMSProp.eps_inside must be a setting that exists"),
        (lambda: dl.Dense(3, weights_init=dl.Xavier()), "Dense.weights_init must be a setting that exists"),
        (lambda: dl.Xavier(distrbution="normal"), "Did you mean distribution? There are: fan, distribution."),
        (lambda: dl.SoftmaxCrossEntropy(labelsmoothing=0.1), "Did you mean label_smoothing?"),
        (lambda: dl.ReLU(slope=0.1), "ReLU.slope must be a setting that exists"),
        (lambda: dl.Network([dl.Dense(3)], inputshape=(5,)), "Network.inputshape must be a setting that exists"),
        (lambda: dl.fit(None, None, None, None, epoch=3, batch_size=1), "fit.epoch must be a setting that exists"),
        (lambda: dl.training_steps(None, None, None, None, epochs=3, batchsize=1), "Did you mean batch_size?"),
    ],
)  # fmt: skip
def test_misspelt_setting_is_answered_with_the_right_one(call, words):
    with pytest.raises(SettingError) as refused:
        call()
    assert words in str(refused.value)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.int64(0), np.float16(0.5), 0.5, 0])
def test_numpy_scalars_become_python_numbers(number):
    for made in (dl.Momentum(number, momentum=number), dl.Momentum()):
        made.learning_rate = made.momentum = number
        assert type(made.learning_rate) in (int, float)
        assert type(made.momentum) in (int, float)
        assert made.momentum == number
    assert type(dl.Dense(np.int32(3)).units) is int


COLUMNS = [
    [[0.1], [0.2]],
    [[0.0]],
    np.array([[0.5], [0.25]], "float32"),
    [[[0.1]], [[0.2]]],
]


@pytest.mark.parametrize("values", COLUMNS)
def test_a_column_of_good_values_is_a_setting(values):
    column = np.array(values)
    optimizer = dl.Momentum(column, momentum=column)
    for kept in (optimizer.learning_rate, optimizer.momentum):
        assert type(kept) is Column
        assert kept.tolist() == column.tolist()


NO_COLUMNS = [[0.1, 0.2], [[0.1, 0.2]], [[0.1], [np.nan]], [[0.1], [-0.2]], [[True], [False]], [["a"]], np.ones((0, 1))]


@pytest.mark.parametrize("values", NO_COLUMNS)
def test_every_entry_of_a_column_is_tested(values):
    for name in ("learning_rate", "momentum"):
        with pytest.raises(SettingError, match=f"(?s)Momentum.{name} must"):
            dl.Momentum(**{name: np.array(values)})
    with pytest.raises(SettingError, match="momentum must be in"):
        dl.Momentum(momentum=np.array([[0.5], [1.0]]))


def test_some_settings_take_no_column():
    column = np.array([[1.0], [2.0]])
    for attempt in (lambda: dl.Dense(column), lambda: dl.Constant(column)):
        with pytest.raises(SettingError):
            attempt()


MADE = [
    *INITIALIZERS,
    *(row.single() for row in [*OPTIMIZERS, *LAYERS, *LOSSES]),
    *(row.columns() for row in OPTIMIZERS),
    dl.Dense(3, dl.Orthogonal(2.0), bias_init=dl.Constant(0.1)),
]


@pytest.mark.parametrize("made", MADE, ids=repr)
def test_everything_prints_as_the_call_that_makes_it(made):
    names = {**vars(dl), "array": np.array, "float32": np.float32}
    again = eval(repr(made), names)
    assert type(again) is type(made)
    assert repr(again) == repr(made)
    assert repr(copy.deepcopy(made)) == repr(pickle.loads(pickle.dumps(made))) == repr(made)


@pytest.mark.parametrize("made", MADE, ids=repr)
def test_everything_explains_itself(made):
    assert len(type(made).__doc__.splitlines()[0]) > 10


def test_objects_do_not_share_their_settings():
    one, other = dl.SGD(), dl.SGD()
    one.learning_rate = 0.5
    assert other.learning_rate == 0.01
    assert one != other


def test_settings_without_a_rule_are_left_alone():
    @settings
    class Free:
        """Takes anything."""

        anything: object
        number: Annotated[int, count, "One is a start."] = 1

    assert Free("x").anything == "x"
    with pytest.raises(SettingError, match=r"Free.number must be a whole number, 1 or more; got number=0. One is"):
        Free(None, 0)


def test_check_names_argument_rule_value_and_remedy():
    assert check("Lab.share", share, np.float32(0.5), "") == 0.5
    with pytest.raises(SettingError, match=r"^Lab.share must be in \[0, 1\); got share=2. Take less.$"):
        check("Lab.share", share, 2, "Take less.")
    with pytest.raises(SettingError, match=r"^Lab.side must be one of 'left', 'right'; got side='up'. Choose.$"):
        check("Lab.side", one_of("left", "right"), "up", "Choose.")
    assert check("x.rate", rate, max, "") is max


@pytest.mark.parametrize(
    "call",
    [
        lambda: dl.SGD(np.float64(-0.5)),
        lambda: dl.PiecewiseConstantDecay([np.float64(3.0), np.float64(-0.5)], [1, 2, 3]),
        lambda: dl.PiecewiseConstantDecay(np.array([3.0, -0.5]), [1, 2, 3]),
        lambda: dl.Network([dl.Dense(3)], (np.int64(4), np.float64(-0.5))),
        lambda: dl.Network([dl.Dense(3)], (4,), seed=np.float64(-0.5)),
        lambda: dl.fit(None, None, None, None, epochs=np.float64(-0.5), batch_size=1),
    ],
)
def test_messages_speak_of_plain_numbers(call):
    with pytest.raises(SettingError, match=r"-0.5") as refused:
        call()
    assert "np." not in str(refused.value)


def test_settings_print_plain_numbers():
    schedule = dl.PiecewiseConstantDecay(np.array([3, 5]), (np.float64(0.1), np.float32(0.5), 0.25))
    assert repr(schedule) == "PiecewiseConstantDecay(boundaries=[3, 5], values=(0.1, 0.5, 0.25))"
    assert repr(dl.Conv2D(3, np.array([3, 2]))).startswith("Conv2D(filters=3, kernel_size=[3, 2], padding='same'")
    assert repr(dl.Momentum(np.float64(0.1))) == "Momentum(learning_rate=0.1, momentum=0.9)"
    network = dl.Network([dl.Dense(np.int64(3))], np.array([4]), seed=np.int64(2))
    assert "np." not in repr(network)
