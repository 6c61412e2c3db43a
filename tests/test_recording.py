"""A recorded step is the plain one: every layer and loss, lanes, dice, frozen layers, layers of one's own."""

import copy

import numpy as np
import pytest
from concepts import LAYERS, LOSSES, OPTIMIZERS, named, problem, small_network, targets

import dlcourse as dl
from dlcourse import training
from dlcourse.layers import Layer
from dlcourse.recording import TrainingStep, rewrites, step

LOSS = dl.SoftmaxCrossEntropy()


class PlainStep(TrainingStep):
    def record(self, x, t):
        return "asked for"


def around(row, lanes=None, dtype="float32"):
    """A network around one layer, with something to learn before and after it."""
    before = {1: dl.Dense, 2: lambda n: dl.Conv1D(n, 3), 3: lambda n: dl.Conv2D(n, 3)}[len(row.input_shape)]
    layers = [before(row.input_shape[-1]), dl.Tanh(), row.single(), dl.Flatten(), dl.Dense(3)]
    return dl.Network(layers, row.input_shape, lanes=lanes, dtype=dtype)


def batches(network, loss, rows=(8, 8, 5, 8)):
    rng, dtype = np.random.default_rng(0), network.parameters.dtype
    for n in rows:
        x = rng.normal(size=(n, *network.input_shape)).astype(dtype)
        yield x, loss.prepare(targets(loss, 3, n, rng), (3,), dtype)


def everything(network, prediction, value):
    states = [array.copy() for array in network.state().values()]
    return [prediction.copy(), value, network.parameters.grad.copy(), *states]


def assert_replays_as_plain(network, loss, rows=(8, 8, 5, 8), rtol=1e-4, report="replayed"):
    """Both ways from the same start, a step after a step; returns the TrainingStep."""
    twin, twin_loss = copy.deepcopy((network, loss))
    recorded, plain = TrainingStep(network, loss), PlainStep(twin, twin_loss)
    for x, t in batches(network, loss, rows):
        ours = everything(network, *recorded(x, t))
        for mine, theirs in zip(ours, everything(twin, *plain(x, t)), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=rtol * max(np.abs(theirs).max(initial=0), 1e-3))
        for each in (network, twin):
            each.parameters.theta -= np.float32(0.1) * twin.parameters.grad
    assert recorded.report().count(report) == len(set(rows)), recorded.report()
    return recorded


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(LAYERS))
def test_every_layer_is_replayed(row, lanes):
    assert_replays_as_plain(around(row, lanes), LOSS)


@pytest.mark.parametrize("row", **named(LAYERS))
def test_float64_is_replayed_in_float64(row):
    assert_replays_as_plain(around(row, dtype="float64"), LOSS, rtol=1e-12)


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(LOSSES))
def test_every_loss_is_replayed(row, lanes):
    assert_replays_as_plain(small_network(lanes=lanes), row.make())


@pytest.mark.parametrize("frozen", [0, 2])
def test_frozen_layers_are_replayed(frozen):
    network = dl.Network([dl.Dense(6), dl.ReLU(), dl.BatchNorm(), dl.Dropout(0.5), dl.Dense(3)], (5,))
    network.freeze(frozen)
    assert_replays_as_plain(network, LOSS)


def test_columns_inside_layers_are_replayed():
    rates = np.array([0.0, 0.5, 0.9])[:, None, None]
    for layer in (dl.Dropout(rates), dl.LeakyReLU(rates), dl.BatchNorm(decay=rates), dl.DropConnectDense(4, rates)):
        network = dl.Network([dl.Dense(4), layer, dl.Dense(3)], (5,), lanes=3)
        assert_replays_as_plain(network, dl.SoftmaxCrossEntropy())


@pytest.mark.parametrize("rows", [(1, 1), (64, 64)])
@pytest.mark.parametrize("lanes", [None, 1, 3])
def test_batches_of_one_and_many_are_replayed(rows, lanes):
    network = dl.Network([dl.Dense(600), dl.ReLU(), dl.LayerNorm(), dl.Dense(1), dl.Dense(3)], (5,), lanes=lanes)
    assert_replays_as_plain(network, LOSS, rows=rows)


@pytest.mark.parametrize("row", **named(OPTIMIZERS))
def test_a_whole_fit_ends_where_the_plain_formulas_end(row, monkeypatch):
    ends = []
    for kind in (TrainingStep, PlainStep):
        monkeypatch.setattr(training, "TrainingStep", kind)
        network = small_network(dl.Tanh)
        history = dl.fit(network, LOSS, row.single(2), problem(LOSS), epochs=2, batch_size=8, clip_norm=1.0)
        ends.append((history.loss, network.parameters.theta))
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-4)


def test_natural_gradients_get_their_scores(monkeypatch):
    ends = []
    for kind in (TrainingStep, PlainStep):
        monkeypatch.setattr(training, "TrainingStep", kind)
        network = dl.Network([dl.Dense(4), dl.Tanh(), dl.Dense(3)], (5,), dtype="float64")
        dl.fit(network, LOSS, dl.ANGD(0.1, damping=0.1), problem(LOSS), epochs=2, batch_size=9)
        ends.append(network.parameters.theta)
    np.testing.assert_allclose(*ends, rtol=1e-9)


def test_layers_and_loss_hold_what_they_computed():
    def build():
        return dl.Network([dl.Dense(6), dl.BatchNorm(), dl.ReLU(), dl.Dropout(0.5), dl.Dense(3)], (5,)), LOSS

    (one, loss), (other, plain_loss) = copy.deepcopy(build()), copy.deepcopy(build())
    recorded, plain = TrainingStep(one, loss), PlainStep(other, plain_loss)
    for x, t in batches(one, loss, (8, 8)):
        recorded(x, t), plain(x, t)
        one.predict(x[:2]), other.predict(x[:2])  # a pass in between is no obstacle
        recorded(x, t), plain(x, t)
        for ours, theirs in zip([*one.layers, loss], [*other.layers, plain_loss], strict=True):
            for name, value in vars(theirs).items():
                if isinstance(value, np.ndarray):
                    np.testing.assert_allclose(vars(ours)[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
        for ours, theirs in zip(one.outputs, other.outputs, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert len(recorded.recordings) == 1


# Layers of one's own


class Gain(Layer):
    """y = g x + s, in the words of a student."""

    def setup(self, input_shape):
        self.declare("g", (1, input_shape[-1]), dl.Constant(1.5), decays=True)
        self.declare("s", (1, input_shape[-1]), dl.Constant(0.5))
        return input_shape

    def forward(self, x, training=False):
        y = x * self.g
        y += self.s
        self.cache = (x, {"y": y})
        return y

    def backward(self, dy):
        x, _ = self.cache
        self.dg[...] = np.sum(dy * x, axis=-2, keepdims=True)
        self.ds = np.sum(dy, axis=-2, keepdims=True)
        dx = np.zeros_like(dy)
        dx[..., :2] += dy[..., :2] * self.g[..., :2]
        dx[..., 2:] = (dy * self.g)[..., 2:]
        return dx


class Noise(Gain):
    def __init__(self):
        self.own = np.random.default_rng(3)

    def forward(self, x, training=False):
        return super().forward(x + self.own.normal(0.0, 0.1, x.shape[-2:]).astype(x.dtype), training)


class Running(Gain):
    def setup(self, input_shape):
        self.remember("level", (1, input_shape[-1]), 0.0)
        return super().setup(input_shape)

    def forward(self, x, training=False):
        self.level += 0.1 * (x.mean(axis=-2, keepdims=True) - self.level)
        return super().forward(x - self.level, training)


def with_own(kind):
    return dl.Network([dl.Dense(6), kind(), dl.ReLU(), dl.Dense(3)], (5,))


@pytest.mark.parametrize("kind", [Gain, Noise, Running])
def test_a_layer_of_ones_own_is_replayed(kind):
    assert_replays_as_plain(with_own(kind), LOSS)


class Branches(Gain):
    def forward(self, x, training=False):
        return super().forward(x if x.mean() > 0 else -x, training)


class Counts(Gain):
    steps = 0

    def forward(self, x, training=False):
        self.steps += 1
        return super().forward(x / self.steps, training)


class Collects(Gain):
    def __init__(self):
        self.seen = []

    def forward(self, x, training=False):
        self.seen.append(len(x))
        return super().forward(x * len(self.seen), training)


class OthersDice(Gain):
    dice = np.random.default_rng(0)

    def forward(self, x, training=False):
        return super().forward(x + type(self).dice.normal(size=x.shape[-2:]).astype(x.dtype), training)


class HandsOn(Gain):
    before = np.zeros((1, 6), "float32")

    def __init__(self):
        self.before = np.zeros((1, 6), "float32")

    def forward(self, x, training=False):
        self.before = 0.5 * self.before + x.mean(axis=-2, keepdims=True)
        return super().forward(x - self.before, training)


class Sorts(Gain):
    def forward(self, x, training=False):
        return super().forward(np.sort(x, axis=-1), training)


class Picks(Gain):
    def forward(self, x, training=False):
        return super().forward(x[..., [1, 0, 2, 3, 5, 4]], training)


class Converts(Gain):
    def forward(self, x, training=False):
        return super().forward(np.asarray(x) * 2, training)


UNRECORDED = [Branches, Counts, Collects, HandsOn, Sorts, Picks, Converts]


@pytest.mark.parametrize("kind", UNRECORDED)
def test_what_cannot_be_recorded_is_left_to_the_plain_formulas(kind):
    recorded = assert_replays_as_plain(with_own(kind), LOSS, rtol=1e-7, report="plain formulas: ")
    assert all(len(reason) > 10 for reason in recorded.recordings.values())


def test_numbers_from_elsewhere_are_noticed():
    recorded = TrainingStep(with_own(OthersDice), LOSS)
    for x, t in batches(recorded.network, LOSS, (8,)):
        recorded(x, t)
    assert "numbers that change from step to step" in recorded.report()


class Fails(Gain):
    def backward(self, dy):
        raise ZeroDivisionError("a mistake")


def test_an_error_of_a_layer_comes_as_it_is():
    network = with_own(Fails)
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        dl.fit(network, LOSS, dl.SGD(0.1), problem(LOSS), epochs=1, batch_size=9)


# What changes in the middle


def test_a_setting_that_changes_is_noticed():
    network = dl.Network([dl.Dense(6), dl.LeakyReLU(0.1), dl.Dropout(0.0), dl.Dense(3)], (5,))
    recorded = TrainingStep(network, dl.SoftmaxCrossEntropy())
    (x, t), *_ = batches(network, LOSS)
    before = float(recorded(x, t)[1])
    network.layers[1].slope = 0.9
    after = float(recorded(x, t)[1])
    assert after != before
    np.testing.assert_allclose(after, recorded.plain(x, t)[1], rtol=1e-5)
    network.layers[2].rate = 1.0
    np.testing.assert_allclose(recorded(x, t)[1], recorded.plain(x, t)[1], rtol=1e-5)
    network.layers[2].rate = 0.5
    network.freeze(2)
    np.testing.assert_allclose(recorded(x, t)[1], after, rtol=1e-5)
    network.reseed(7)
    recorded(x, t)
    assert recorded.report().startswith("batch (8, 5): replayed")


def test_dice_go_on_as_in_the_plain_formulas():
    network = dl.Network([dl.Dropout(0.5), dl.Dense(3)], (40,))
    recorded = assert_replays_as_plain(network, LOSS, rows=(8, 8, 5, 8, 5))
    assert "replayed" in recorded.report()


def test_a_replay_that_differs_is_not_used(monkeypatch):
    def wrong(program, line):
        if line.is_call(np.maximum):
            line.fn = np.minimum
        return False

    monkeypatch.setattr(rewrites, "RULES", (*rewrites.RULES, wrong))
    network = dl.Network([dl.Dense(6), dl.ReLU(), dl.BatchNorm(), dl.Dropout(0.5), dl.Dense(3)], (5,))
    assert_replays_as_plain(network, LOSS, rtol=1e-7, report="its replay differs from the plain formulas")


# Rewrites


def lines_of(recorded):
    (recording,) = recorded.recordings.values()
    return [line.name for line in recording.program if line.kind in ("compute", "write", "draw")]


FOUND = [
    ("share_bias", lambda: small_network(), "affine"),
    ("share_bias_grad", lambda: small_network(), None),
    ("sum_by_product", lambda: dl.Network([dl.BatchNorm(), dl.Dense(3)], (5,)), "ones"),
    ("mask_as_number", lambda: small_network(), None),
]


@pytest.mark.parametrize(("name", "build", "line"), FOUND, ids=[row[0] for row in FOUND])
def test_every_rule_gives_the_same_with_other_calls(name, build, line, monkeypatch):
    rules = {rule.__name__: rule for rule in rewrites.RULES}
    before = [rules["share_bias"]] if name == "share_bias_grad" else []
    calls = []
    for chosen in ((), (rules[name],)):
        monkeypatch.setattr(rewrites, "RULES", (*before, *chosen))
        recorded = assert_replays_as_plain(build(), LOSS, rows=(8, 8))
        (recording,) = recorded.recordings.values()
        calls.append([getattr(call, "func", call) for call in recording.run.calls])
        if line:
            assert (line in lines_of(recorded)) == bool(chosen)
    assert calls[0] != calls[1]


def test_every_rule_has_its_row():
    assert {row[0] for row in FOUND} == {rule.__name__ for rule in rewrites.RULES}


def test_what_nobody_reads_is_not_computed():
    network = dl.Network([dl.Dense(7), dl.Dense(3)], (5,))
    recorded = assert_replays_as_plain(network, LOSS, rows=(8, 8))
    (recording,) = recorded.recordings.values()
    shapes = [line.shape for line in recording.program if line.is_call(np.matmul)]
    assert (8, 7) in shapes  # dx of the second layer
    assert (8, 5) not in shapes  # that of the first


def test_memory_does_not_grow_with_the_steps():
    network = small_network()
    recorded = TrainingStep(network, LOSS)
    (x, t), *_ = batches(network, LOSS)
    places = {recorded(x, t)[0].ctypes.data for _ in range(5)}
    assert len(places) == 1
    assert isinstance(recorded.recordings[x.shape, t.shape], step.Recording)


# To read


def test_operations_show_what_a_step_costs():
    network = dl.Network([dl.Dense(32), dl.ReLU(), dl.Dense(2)], (2,))
    before = [array.copy() for array in network.state().values()]
    x, y = dl.datasets.moons(64)
    listing = dl.operations(network, LOSS, x, y)
    products = [line for line in listing.lines if line[0] in ("x W + b", "dW, db", "matmul")]
    assert [line[4] for line in products] == [
        2 * 64 * 3 * 32,  # [x 1] [W; b]
        2 * 64 * 33 * 2,
        2 * 33 * 64 * 2,  # [x 1]ᵀ dy
        2 * 64 * 2 * 32,  # dx; that of the first layer is spared
        2 * 3 * 64 * 32,
    ]
    assert listing.flops > sum(line[4] for line in products)
    text = repr(listing)
    assert text.startswith(f"one step: {len(listing)} operations, ")
    assert "x W + b       (64, 2) (2, 32) (1, 32)" in text
    assert len(text.splitlines()) == len(listing) + 1
    for array, old in zip(network.state().values(), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_operations_say_why_there_are_none():
    x, y = problem(LOSS)
    assert "it looks at the values of arrays" in repr(dl.operations(with_own(Branches), LOSS, x, y))
