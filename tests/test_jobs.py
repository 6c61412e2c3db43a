"""When a lab runs what: the newest request first, and while nothing is wanted, what may be wanted next."""

import asyncio
from typing import Any, NamedTuple

import numpy as np
import pytest
from toy_labs import chapter_labs, describe_ramp, draw_ramp, failing, ramp, ramp_lab, same, unpack

import dlcourse as dl
from dlcourse.labs import Choice, Lab, Slider, Switch, ahead
from dlcourse.plots import panels

# On the event loop: the newest setting first


def training(clock, steps=10, seconds=0.1, budget=0):
    """A run that takes its time: `steps` states, one every `seconds`. Without a budget nothing is trained ahead."""

    def run(slope):
        runs.append(slope)
        for step in range(1, steps + 1):
            clock.now += seconds
            yield ramp(slope * step / steps)

    runs = []
    lab = Lab(run, draw_ramp, describe=describe_ramp, figure_size=(4, 2), slope=Slider(0.0, 9.0, 1.0, step=0.1))
    lab.runs, lab.jobs.ready.budget = runs, budget
    return lab


def watch(lab):
    """A list that grows by (slope, finding) with every frame on the page."""
    seen = []

    def note(_):
        assert f'"slope": {lab.screen.finding.rpartition(" ")[2][:-1]}' in lab.screen.settings.replace(".0}", "}")
        seen.append(lab.screen.finding)

    lab.screen.observe(note, "frame")
    return seen


def end(slope):
    return describe_ramp(ramp(slope), {"slope": slope})


def drive(lab, *changes, turns=1):
    """Show the lab, make the changes one after the other, `turns` of the loop apart; the findings that were seen."""

    async def reader():
        lab.show()
        lab.runs.clear()
        seen = watch(lab)
        for change in changes:
            if callable(change):
                change()
            else:
                lab.widgets["slope"].value = change
            for _ in range(turns):
                await asyncio.sleep(0)
        await lab.jobs.task
        return seen

    return asyncio.run(asyncio.wait_for(reader(), 30))


def test_the_newest_of_twenty_changes_wins(clock):
    lab = training(clock)
    slopes = [round(0.09 * k, 2) for k in range(20, 41)]
    seen = drive(lab, *slopes)
    assert seen[-1] == end(slopes[-1]) == lab.screen.finding
    assert lab.runs[0] == slopes[0] and lab.runs[-1] == slopes[-1] and len(lab.runs) <= 3  # those between never ran
    assert not set(seen) & {end(slope) for slope in slopes[:-1]}  # a job that is overtaken does not end
    twin = training(clock)
    twin.last_frame(slope=9.0)
    lab.last_frame(slope=9.0)
    assert same(unpack(lab.last_frame(slope=slopes[-1]).png), unpack(twin.last_frame(slope=slopes[-1]).png))


def test_the_last_picture_belongs_to_the_last_setting(clock):
    for seconds in (0.001, 0.04, 0.2):
        lab = training(clock, seconds=seconds)
        drive(lab, 0.18, 0.27, 0.36, 0.45, turns=3)
        assert lab.screen.settings == '{"slope": 0.45}' and lab.screen.png == training(clock).last_frame(slope=0.45).png


def test_a_short_job_is_finished_before_the_next(clock):
    lab = training(clock, seconds=0.001)
    assert drive(lab, 1.8, 2.7, turns=3)[-1] == end(2.7)
    assert lab.runs[-1] == 2.7


def test_a_long_job_shows_how_far_it_is(clock):
    seen = drive(training(clock), 9.0)
    assert len(seen) == 6 and seen[-1] == end(9.0)  # every 0.2 of one second, and the end
    assert drive(training(clock, seconds=0.001), 9.0) == [end(9.0)]


def test_play_shows_every_state(clock):
    lab = training(clock, seconds=0.001)
    seen = drive(lab, lambda: lab.play_button.click())
    assert len(seen) == 11 and seen[-2:] == [end(1.0)] * 2


def test_play_gives_way_to_a_change(clock):
    lab = training(clock, seconds=0.001)
    seen = drive(lab, lambda: lab.play_button.click(), 3.6, turns=3)
    assert seen[-1] == end(3.6) and len(seen) < 11
    assert lab.runs == [1.0, 3.6]


def test_a_change_right_after_play_is_not_played(clock):
    lab = training(clock, seconds=0.001)
    assert drive(lab, lambda: (lab.play_button.click(), setattr(lab.widgets["slope"], "value", 3.6))) == [end(3.6)]


def test_an_error_on_the_loop_leaves_the_lab_alive():
    lab = failing("run")
    lab.runs = []

    async def reader():
        lab.show()
        lab.widgets["slope"].value = 2.0
        await lab.jobs.task
        problem = lab.screen.problem
        lab.widgets["slope"].value = 0.5
        lab.widgets["slope"].value = 0.75
        await lab.jobs.task
        return problem

    assert asyncio.run(reader()).startswith("ArithmeticError") and lab.screen.problem == ""
    assert lab.screen.settings == '{"slope": 0.75}'


# Trained ahead


def test_the_nearest_positions_are_trained_while_nothing_is_wanted(clock):
    lab = training(clock, seconds=0.001, budget=2**22)
    assert drive(lab, 3.0) == [end(3.0)]  # none of them is shown
    assert lab.runs[:6] == [3.0, 3.1, 2.9, 3.2, 2.8, 3.3]
    assert sorted(lab.runs) == lab.controls["slope"].positions()  # each of them once
    assert lab.screen.ready == [0, 0.0, 1.0]


def test_what_is_ready_is_looked_up_and_looks_the_same(clock):
    lab = training(clock, seconds=0.001, budget=2**22)
    assert drive(lab, 3.0, lambda: None, turns=3000)[-1] == end(3.0)

    async def again():
        lab.runs.clear()
        lab.widgets["slope"].value = 7.0
        await lab.jobs.task

    asyncio.run(again())
    assert lab.runs == [] and lab.screen.finding == end(7.0)
    assert lab.screen.png == lab.last_frame(slope=7.0).png and lab.runs == [7.0]


def test_a_request_interrupts_training_ahead(clock):
    lab = training(clock, budget=2**22)  # a second each
    seen = drive(lab, 3.0, 6.0, turns=40)
    assert seen[-1] == end(6.0)
    assert lab.runs.index(6.0) < 10 and lab.runs[lab.runs.index(6.0) + 1] == 6.1


def test_one_lab_trains_ahead_at_a_time_and_the_memory_has_an_end(clock):
    one, other = (training(clock, seconds=0.001, budget=2**22) for _ in range(2))

    async def reader():
        one.show(), other.show()
        one.widgets["slope"].value = 3.0
        for _ in range(8):
            await asyncio.sleep(0)
        other.widgets["slope"].value = 3.0
        await asyncio.wait([one.jobs.task, other.jobs.task])

    asyncio.run(reader())
    assert len(one.runs) < 30 and len(other.runs) > 90
    assert not one.jobs.ready.kept and one.screen.ready == [] and other.jobs.ready.taken > 2**16
    size = ahead.size_of(ramp(3.0)) + len(one.last_frame(slope=3.0).png)
    small = training(clock, seconds=0.001, budget=5 * size)
    drive(small, 3.0)
    assert 4 <= len(small.jobs.ready.kept) <= 5 and len(small.runs) <= 7


def test_the_control_under_the_pointer_is_trained_before_it_moves(clock):
    lab = training(clock, seconds=0.001, budget=2**22)

    async def reader():
        lab.show()
        lab.runs.clear()
        lab.on_approach(None, {"near": 0}, [])
        await lab.jobs.task

    asyncio.run(reader())
    assert lab.runs[:2] == [1.1, 0.9] and lab.screen.finding == end(1.0)


def page(lab, *actions):
    """Show the lab and do these things, each when nothing is left to do; the loop's end."""

    async def reader():
        lab.show()
        for action in actions:
            action()
            if lab.jobs.task:
                await lab.jobs.task

    asyncio.run(asyncio.wait_for(reader(), 60))
    return lab


def to(lab, **settings):
    """An action: move these controls."""
    return lambda: [setattr(lab.widgets[name], "value", value) for name, value in settings.items()]


def test_an_error_ahead_is_told_when_the_reader_gets_there():
    def run(slope):
        if slope in (0.3, 0.8):
            raise ArithmeticError("it fell over")
        return ramp(slope)

    lab = Lab(run, draw_ramp, describe=describe_ramp, figure_size=(4, 2), slope=(0.0, 1.0, 0.5))
    page(lab, to(lab, slope=0.27))
    assert lab.screen.problem == "" and len(lab.jobs.ready.kept) == len(lab.controls["slope"].positions()) - 2
    asyncio.run(asyncio.wait_for(moved(lab, 0.3), 30))
    assert lab.screen.problem.startswith("ArithmeticError: it fell over\nwith slope=0.3")


async def moved(lab, slope):
    lab.widgets["slope"].value = slope
    await lab.jobs.task


def test_lanes_that_fail_are_tried_alone():
    def run(slope):
        if np.ndim(slope):
            raise TypeError("no columns, please")
        return ramp(slope)

    lab = Lab(run, draw_ramp, describe=describe_ramp, figure_size=(4, 2), lanes=["slope"], slope=(0.0, 1.0, 0.5))
    page(lab, to(lab, slope=0.2))
    assert len(lab.jobs.ready.kept) == len(lab.controls["slope"].positions())


def drawings(lab, monkeypatch):
    """A list that grows with every picture that is drawn."""
    drawn, pixels = [], lab.painter.pixels
    monkeypatch.setattr(lab.painter, "pixels", lambda draw: (drawn.append(1), pixels(draw))[1])
    return drawn


@pytest.mark.parametrize("before", ["nothing", "a sweep", "a sweep and back", "reset"])
def test_a_picture_that_is_kept_is_not_drawn_again(clock, monkeypatch, before):
    lab = ramp_lab(slope=Slider(-0.9, 0.9, 0.5, step=0.1))
    press = [lambda value=value: setattr(lab.sweep.button, "value", value) for value in (True, False)]
    actions = {
        "nothing": [],
        "a sweep": press[:1],
        "a sweep and back": press,
        "reset": [lambda: lab.reset_button.click()],
    }
    page(lab, to(lab, slope=0.2), *actions[before], to(lab, slope=0.3))
    drawn = drawings(lab, monkeypatch)
    asyncio.run(moved(lab, 0.4))
    assert lab.screen.settings == '{"slope": 0.4}' and not drawn
    monkeypatch.undo()
    assert lab.screen.png == lab.last_frame(slope=0.4).png


def test_reset_right_after_a_picture_is_no_error():
    lab = ramp_lab()

    async def reader():
        lab.show()
        lab.widgets["slope"].value = 0.7
        await asyncio.sleep(0)
        lab.reset_button.click()
        await lab.jobs.task

    asyncio.run(reader())
    assert lab.screen.problem == "" and lab.screen.settings == '{"slope": 0.5}'


def test_a_page_shown_again_begins_anew(clock):
    lab = line_lab(lanes=["slope"])
    page(lab, lambda: setattr(lab.sweep.button, "value", True))
    assert lab.painter.behind
    page(lab)
    assert not lab.painter.behind and lab.screen.png == line_lab().last_frame().png


def test_the_range_moves_along_with_the_reader():
    lab = ramp_lab(slope=Slider(-0.9, 0.9, 0.0, step=0.02))
    one = lab.last_frame()
    lab.jobs.ready.budget = 12 * (ahead.size_of(ramp(0.3)) + len(one.png))
    page(lab, to(lab, slope=0.1), to(lab, slope=0.2), to(lab, slope=0.8))
    kept = sorted(shot.frame.settings["slope"] for shot in lab.jobs.ready.kept.values())
    assert 9 <= len(kept) <= 14 and kept[0] > 0.6 and lab.jobs.ready.taken <= lab.jobs.ready.budget


def test_the_size_of_a_state_counts_what_cannot_be_pickled():
    big = np.ones(10_000_000)
    assert 80_000_000 <= ahead.size_of((lambda: None, {"big": big[5:], "again": big}, [1.0])) < 80_001_000
    network = dl.Network([dl.Dense(100)], (100,))
    assert 80_800 < ahead.size_of(network) < 120_000  # theta, grad, and what describes them


def test_a_lab_without_controls_has_nothing_to_sweep():
    lab = Lab(lambda: ramp(0.5), draw_ramp, describe=lambda y, _: "A line.", figure_size=(4, 2))
    page(lab, lambda: setattr(lab.sweep.button, "value", True))
    assert lab.screen.problem == "" and lab.screen.swept == ""


@pytest.mark.parametrize(
    "control, positions",
    [
        (Slider(0, 3, 1), [0, 1, 2, 3]),
        (Slider(0, 11, 0, step=4), [0, 4, 8, 11]),
        (Slider(0.0, 0.3, 0.0, step=0.1), [0.0, 0.1, 0.2, 0.3]),
        (Slider(0.01, 1.0, 0.1, step=0.5, log=True), [0.01, 0.0316, 0.1, 0.316, 1.0]),
        (Choice(["a", "b"], "b"), ["a", "b"]),
        (Switch(True), [False, True]),
    ],
)
def test_positions_of_a_control(control, positions):
    assert control.positions() == positions


def test_the_ready_stretch_ends_at_the_first_gap():
    positions = [0, 1, 2, 3, 4]
    assert ahead.stretch(positions, 2, {1, 2, 4}.__contains__) == (0.25, 0.5)
    assert ahead.nearest(positions, 1) == [2, 0, 3, 4]
    assert ahead.nearest(positions, 2.9) == [3, 4, 2, 1, 0]  # typed in, between two positions
    assert ahead.stretch(positions, 2.9, {2, 3}.__contains__) == (0.5, 0.75)


# Side by side, and in one picture


def lines_through(slope):
    """The slope of a line that gradient descent finds: for one rate, or for a column of them."""
    network = dl.Network([dl.Dense(1)], (1,), lanes=ahead.lanes_of(slope), seed=1)
    seen = []
    for step in dl.training_steps(network, dl.MeanSquaredError(), dl.SGD(slope), LINE, epochs=10, batch_size=5):
        seen.append(dl.to_host(step.loss).copy())
        yield network, seen


LINE = np.linspace(-1, 1, 20)[:, None], np.linspace(-3, 1, 20)[:, None]


def draw_losses(figure, state):
    if not figure.axes:
        (ax,) = panels(figure)
        ax.set(xlim=(0, 40), ylim=(0, 5))
        (figure.art.line,) = ax.plot([], [], color="#0072b2", zorder=3)
    figure.art.line.set_data(np.arange(len(state[1])), np.clip(state[1], 0, 6))


def describe_losses(state, settings):
    return f"It ends at {state[1][-1]:.6g} with {state[0].parameters.theta.sum():.9g}."


def line_lab(**more):
    runs = []

    def run(slope):
        runs.append(slope)
        yield from lines_through(slope)

    lab = Lab(run, draw_losses, describe=describe_losses, figure_size=(4, 2), slope=Slider(0.1, 2.0, 0.5), **more)
    lab.runs = runs
    return lab


def test_a_range_is_trained_side_by_side_and_looks_like_single_runs():
    lab, alone = line_lab(lanes=["slope"]), line_lab()
    drive(lab, 1.0)
    assert len(lab.runs) <= 1 + 1 + len(lab.controls["slope"].positions()) // ahead.LANES + 1
    first = lab.runs[1]
    assert first.shape == (ahead.LANES, 1) and first[:3, 0] == pytest.approx([1.01, 0.99, 1.02])
    for value in lab.controls["slope"].positions()[::17]:
        frame, single = lab.jobs.ready.get({"slope": value}).frame, alone.last_frame(slope=value)
        assert (frame.png, frame.finding, frame.settings) == (single.png, single.finding, single.settings)


def lanes_of_labs():
    """Every lab of the course that trains its range side by side, with each of its controls that do."""
    for parameter in chapter_labs():
        (make,) = parameter.values
        lab = make()
        choices = {name: control.positions() for name, control in lab.controls.items() if isinstance(control, Choice)}
        others = [{name: value} for name, values in choices.items() if len(values) < 6 for value in values[1:]]
        for name in lab.lanes:
            for number, chosen in enumerate([{}, *others]):
                yield pytest.param(make, name, chosen, id=f"{parameter.id}-{name}-{number}")


@pytest.mark.parametrize(("make", "name", "chosen"), list(lanes_of_labs()))
def test_labs_of_the_course_side_by_side_are_what_they_are_alone(make, name, chosen):
    lab, alone = make(), make()
    positions = lab.controls[name].positions()
    ends = (0, len(positions) // 2, -1) if not chosen else (1, -2)  # the last often diverges
    group = [lab.settings(**{name: positions[n]}, **chosen) for n in ends]
    *_, state = lab.states(ahead.side_by_side(name, group))
    for number, settings in enumerate(group):
        frame, single = lab.frame(ahead.lane_of(state, number), settings), alone.last_frame(**settings)
        assert (frame.finding, frame.png) == (single.finding, single.png)


SLIDERS = [pytest.param(p.values[0], name, id=f"{p.id}-{name}") for p in chapter_labs() for name in p.values[0]().lanes]


@pytest.mark.parametrize(("make", "name"), SLIDERS)
def test_labs_of_the_course_run_side_by_side_on_a_device(make, name, cupy):
    """Two positions side by side, in every choice; pictures and findings are made from what has come back."""
    dl.use("cupy")
    lab = make()
    low, high = lab.controls[name].low, lab.controls[name].high
    choices = [{n: o} for n, c in lab.controls.items() if isinstance(c, Choice) for o in c.options]
    for given in choices or [{}]:
        pair = [lab.settings(**given, **{name: value}) for value in (low, high)]
        *_, state = lab.states(ahead.side_by_side(name, pair))
        for number, settings in enumerate(pair):
            assert lab.frame(ahead.lane_of(state, number), settings).finding.endswith(".")


def test_what_lanes_names_must_be_a_control():
    with pytest.raises(dl.SettingError, match=r"Lab\.lanes"):
        line_lab(lanes=["rate"])


def test_a_lane_of_a_state():
    class Pair(NamedTuple):
        a: Any
        b: Any

    state = {"loss": np.arange(6).reshape(2, 3), "pair": Pair([np.arange(3)], "words"), "many": (1, None)}
    one = ahead.lane_of(state, 2)
    assert one["loss"].tolist() == [2, 5] and one["pair"] == Pair([2], "words") and one["many"] == (1, None)


def sweeping(lab, *changes):
    """Show the lab, press Sweep, make the changes."""
    page(lab, lambda: setattr(lab.sweep.button, "value", True), *changes)


def test_a_sweep_puts_the_curves_of_the_whole_range_behind(clock):
    lab = line_lab(lanes=["slope"])
    sweeping(lab)
    (behind,), positions = lab.painter.behind, lab.controls["slope"].positions()
    assert len(behind.get_segments()) == len(positions)
    for value, path in zip(positions[::20], behind.get_segments()[::20], strict=True):
        _, losses = lab.jobs.ready.get({"slope": value}).state
        np.testing.assert_array_equal(path[:, 1], np.clip(losses, 0, 6))
    lightness = behind.get_colors()[:, :3].sum(axis=1)
    assert (np.diff(lightness) < 0).all() and behind.get_zorder() < lab.painter.figure.art.line.get_zorder()
    assert lab.screen.swept == f"Behind: slope from 0.1 (light) to 2.0 (dark), {len(positions)} runs."
    assert lab.screen.png == lab.last_frame().png != line_lab().last_frame().png


def test_the_present_curve_moves_before_its_sweep_and_the_sweep_stays(clock):
    lab = line_lab(lanes=["slope"])
    sweeping(lab, lambda: setattr(lab.widgets["slope"], "value", 1.2))
    assert len(lab.painter.behind) == 1 and lab.screen.settings == '{"slope": 1.2}'
    twin = line_lab(lanes=["slope"])
    sweeping(twin, lambda: setattr(twin.widgets["slope"], "value", 1.2))
    assert same(unpack(lab.screen.png), unpack(twin.screen.png))


def test_without_sweep_and_after_reset_nothing_is_behind(clock):
    lab = line_lab()
    plain = line_lab().last_frame().png
    sweeping(lab, lambda: setattr(lab.sweep.button, "value", False))
    assert lab.painter.behind == [] and lab.screen.png == plain and lab.screen.swept == ""
    sweeping(lab, lambda: lab.reset_button.click())
    assert lab.painter.behind == [] and lab.screen.png == plain and not lab.sweep.button.value


def test_another_control_has_a_sweep_of_its_own(clock):
    lab = two_controls()
    sweeping(lab, lambda: setattr(lab.widgets["shift"], "value", 0.2))
    (behind,) = lab.painter.behind
    assert "Behind: shift from -0.5" in lab.screen.swept
    assert [round(path[0, 1], 6) for path in behind.get_segments()] == lab.controls["shift"].positions()
    assert {round(path[-1, 1] - path[0, 1], 6) for path in behind.get_segments()} == {0.1}


def two_controls():
    def run(slope, shift):
        return ramp(slope, shift)

    return Lab(
        run, draw_ramp, describe=describe_ramp, figure_size=(4, 2), slope=(0.0, 0.5, 0.1), shift=(-0.5, 0.5, 0.0)
    )


def test_a_range_seen_before_is_swept_at_once(clock):
    lab = two_controls()
    sweeping(lab, to(lab, slope=0.2), to(lab, shift=0.2), to(lab, shift=0.0), to(lab, slope=0.3))
    assert len(lab.painter.behind) == 1 and lab.screen.swept.startswith("Behind: slope from 0.0 ")


def test_what_is_swept_was_moved_and_not_passed_over(clock):
    lab = two_controls()

    def near(number):
        return lambda: lab.on_approach(None, {"near": number}, [])

    page(lab, to(lab, slope=0.2), near(1), lambda: setattr(lab.sweep.button, "value", True))
    assert lab.screen.swept.startswith("Behind: slope from 0.0 ")
    page(lab, to(lab, slope=0.2), lambda: setattr(lab.sweep.button, "value", True), near(1))
    assert lab.screen.swept.startswith("Behind: slope from 0.0 ") and lab.painter.behind


def test_a_sweep_without_curves_says_so(clock):
    def draw(figure, y):
        if not figure.axes:
            (ax,) = panels(figure)
            ax.set(ylim=(-9, 9))
            (figure.art.dot,) = ax.plot([0], [0], "o")
        figure.art.dot.set_ydata([y[-1]])

    lab = Lab(ramp, draw, describe=describe_ramp, figure_size=(4, 2), slope=(-9.0, 9.0, 1.0))
    sweeping(lab)
    assert lab.screen.swept == "No curve changes along slope." and lab.painter.behind == []


def test_an_unfinished_sweep_keeps_its_curves_when_another_lab_is_touched(clock):
    one, other = line_lab(lanes=["slope"]), ramp_lab()

    async def reader():
        one.show(), other.show()
        one.sweep.button.value = True
        while len(one.jobs.ready.kept) < 20:
            clock.now += 0.1
            await asyncio.sleep(0)
        other.widgets["slope"].value = 0.7
        await asyncio.wait([one.jobs.task, other.jobs.task])

    asyncio.run(reader())
    words, behind = one.screen.swept, one.painter.behind
    assert not one.jobs.ready.kept and bool(words) == bool(behind)
    if behind:
        assert f"{len(behind[0].get_segments())} runs" in words


def test_when_half_the_memory_is_taken_other_ranges_are_forgotten(clock):
    def run(slope, shift):
        return ramp(slope, shift)

    lab = Lab(run, draw_ramp, describe=describe_ramp, figure_size=(4, 2), slope=(0.0, 1.0, 0.5), shift=(0.0, 0.1, 0.0))
    lab.jobs.ready.budget = 120 * (ahead.size_of(ramp(0.7)) + len(lab.last_frame(slope=0.7).png))

    async def reader():
        lab.show()
        for name, value in (("slope", 0.6), ("shift", 0.05), ("slope", 0.7), ("shift", 0.06), ("slope", 0.1)):
            lab.widgets[name].value = value
            await lab.jobs.task

    asyncio.run(reader())
    assert lab.jobs.ready.taken <= lab.jobs.ready.budget
    assert all(lab.settings(slope=v, shift=0.06) in lab.jobs.ready for v in lab.controls["slope"].positions())


def test_a_lab_shown_again_ends_what_the_old_page_was_doing(clock):
    lab = training(clock)

    async def reader():
        lab.show()
        lab.widgets["slope"].value = 9.0
        old, screen = lab.jobs.task, lab.screen
        await asyncio.sleep(0)  # the job has begun, and waits after the first of its pictures
        lab.show()
        seen = watch(lab)
        await asyncio.wait([old])
        return screen is not lab.screen, old.cancelled(), seen

    assert asyncio.run(reader()) == (True, True, [])


def test_a_lab_works_without_an_event_loop(clock):
    lab = training(clock)
    lab.show()
    seen = watch(lab)
    lab.widgets["slope"].value = 3.6
    lab.play_button.click()
    assert seen == [end(3.6)] * 2
