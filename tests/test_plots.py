import importlib
import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from dlcourse import plots, surfaces  # noqa: E402
from dlcourse.labs.momentum import balls  # noqa: E402
from dlcourse.plots.curves import apart  # noqa: E402
from dlcourse.plots.style import Still, contrast  # noqa: E402


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def ax():
    return plots.panels(plots.new_figure())[0]


def pixels(ax):
    figure = ax.get_figure(root=True)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def changed_by_drawing(ax, artists):
    """Whether drawing only these artists over the rest gives the whole picture: what blitting relies on."""
    whole = pixels(ax)
    for artist in artists:
        artist.set_animated(True)
    figure = ax.get_figure(root=True)
    background = pixels(ax)
    for artist in artists:
        ax.draw_artist(artist)
    blitted = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    return not np.array_equal(background, whole) and np.mean(blitted != whole) < 0.01


# Style


def test_every_method_looks_different():
    looks = [(m["color"], str(m["linestyle"]), m["marker"]) for m in plots.METHOD.values()]
    assert len(set(looks)) == len(looks)


def test_methods_of_one_colour_differ_in_dash():
    for a, b in itertools.combinations(plots.METHOD.values(), 2):
        if a["color"] == b["color"]:
            assert a["linestyle"] != b["linestyle"] or a["marker"] != b["marker"]


def test_method_colours_are_seen_on_white_and_their_names_read():
    for method in plots.METHOD.values():
        assert contrast(method["color"]) >= 3.0
        assert contrast(plots.on_white(method["color"])) >= 4.5


def test_contrast_is_wcags():
    assert contrast("black", "white") == pytest.approx(21.0)
    assert contrast("#777777") == pytest.approx(4.48, abs=0.01)


def seen_by_a_deuteranope(color):
    """Machado, Oliveira & Fernandes 2009, severity 1, on linear light."""
    rgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    return np.clip(matrix @ linear, 0, 1) ** (1 / 2.2)


def test_palette_stays_apart_for_colour_blind_eyes():
    colors = [plots.on_white(c, 3.0) for name, c in plots.PALETTE.items() if name != "yellow"]
    for a, b in itertools.combinations(colors, 2):
        assert np.linalg.norm(seen_by_a_deuteranope(a) - seen_by_a_deuteranope(b)) > 0.07


@pytest.mark.parametrize("name", ["Adam", "adam", "AdaGrad", "RMSProp", "AdamW", "Train"])
def test_look_knows_names_as_they_are_written(name):
    assert plots.look(name) == plots.METHOD[name.lower()]


def test_look_suggests_the_name_that_was_meant():
    with pytest.raises(ValueError, match="Did you mean momentum"):
        plots.look("momentun")
    with pytest.raises(ValueError, match=r"look\.method must be a name"):
        plots.look(3)


def test_look_is_a_copy():
    plots.look("sgd")["color"] = "red"
    assert plots.METHOD["sgd"]["color"] == "#000000"


def test_figures_leave_pyplot_and_the_users_settings_alone():
    code = (
        "import sys, matplotlib\n"
        "def settings(): return {k: matplotlib.rcParams[k] for k in matplotlib.rcParams if k != 'backend'}\n"
        "before = settings()\n"
        "from dlcourse import plots; plots.panels(plots.new_figure(), 1, 2)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert settings() == before"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_letters_are_large_enough_to_project(ax):
    plots.name_axes(ax, title="title")
    assert min(label.get_fontsize() for label in [*ax.get_xticklabels(), *ax.get_yticklabels()]) >= 11
    assert min(ax.xaxis.label.get_fontsize(), ax.yaxis.label.get_fontsize()) >= 12


def test_log_axis_says_so(ax):
    plots.name_axes(ax, y="loss (nats)", log=True)
    assert ax.get_ylabel() == "loss (nats), log scale" and ax.get_yscale() == "log"


def test_settled_layout_does_not_move(ax):
    line = plots.curve(ax, "SGD", x=range(5), y=range(5))
    plots.settle(ax.figure)
    place = ax.get_position().bounds
    line.set_data(range(5), np.arange(5) * 1000.0)
    ax.set_ylim(0, 4000)
    pixels(ax)
    assert ax.get_position().bounds == place


@pytest.mark.parametrize("bad", [0, -1, float("nan"), "9", None])
def test_bad_figure_sizes_are_refused(bad):
    with pytest.raises(ValueError, match=r"new_figure\.width must be"):
        plots.new_figure(width=bad)
    with pytest.raises(ValueError, match=r"panels\.rows must be"):
        plots.panels(plots.new_figure(), rows=bad)


def test_still_has_a_picture_and_its_alt_text(ax):
    still = plots.Still(ax.figure, "Line chart: loss falls to 0.1 by step 60.")
    data, metadata = still._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["alt"] == data["text/plain"] == still.alt
    for alt in ("", "  ", None):
        with pytest.raises(ValueError, match=r"Still\.alt must say what the picture shows"):
            plots.Still(ax.figure, alt)


# Curves


def test_curve_moves_and_its_name_goes_along(ax):
    made = plots.curve(ax, "Adam", x=[0, 1, 2], y=[3.0, 2.0, 1.0])
    made.set_data([0, 1, 2, 3], [4.0, 3.0, 2.0, 0.5])
    assert made.line.get_ydata().tolist() == [4.0, 3.0, 2.0, 0.5]
    assert made.text.xy == (3.0, 0.5) and made.text.get_visible()


def test_curve_is_drawn_by_its_artists(ax):
    ax.set(xlim=(0, 4), ylim=(0, 4))
    made = plots.curve(ax, "Adam", x=[0, 1, 2], y=[3.0, 2.0, 1.0])
    assert changed_by_drawing(ax, made.artists)


@pytest.mark.parametrize(
    ("y", "visible"), [([], False), ([np.nan] * 3, False), ([1.0, np.inf, np.nan], True), ([1.0], True)]
)
def test_curve_without_finite_points(ax, y, visible):
    made = plots.curve(ax, "train")
    made.set_data(range(len(y)), y)
    pixels(ax)
    assert made.text.get_visible() == visible


def test_curve_refuses_unequal_lists(ax):
    with pytest.raises(ValueError, match=r"Curve\.y must have the shape of x, \(2,\)"):
        plots.curve(ax, "train", x=[1, 2], y=[1, 2, 3])


def test_names_at_the_line_ends_do_not_cover_each_other(ax):
    names = ["SGD", "momentum", "Nesterov", "Adam"]
    made = [plots.curve(ax, n, x=[0, 1], y=[0.0, 1.0 + 0.001 * i]) for i, n in enumerate(names)]
    pixels(ax)
    plots.spread_labels(made)
    pixels(ax)
    boxes = [c.text.get_window_extent() for c in made]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    plots.spread_labels([])


def test_apart_moves_no_more_than_it_must():
    assert apart(np.array([0.0, 100.0]), 10.0).tolist() == [0.0, 100.0]
    assert apart(np.array([5.0, 5.0]), 10.0).tolist() == [0.0, 10.0]
    assert apart(np.array([0.0, 1.0, 2.0, 50.0]), 10.0).tolist() == [-9.0, 1.0, 11.0, 50.0]


def test_ghost_and_event(ax):
    ghost, event = plots.ghost(ax, [0, 1], [1, 0]), plots.event(ax, "diverged")
    event.set_data([1, 1], [0, 1])
    ghost.set_data([0, 1], [2, 0])
    assert event.text.get_text() == "diverged"
    pixels(ax)


# Surfaces


@pytest.mark.parametrize(
    "surface",
    [surfaces.bowl, surfaces.ravine, surfaces.saddle, surfaces.double_well, surfaces.rosenbrock, surfaces.beale],
    ids=repr,
)
def test_contours_draw_every_surface(ax, surface):
    picture = plots.contours(ax, surface, resolution=40)
    assert np.all(np.diff(picture.levels) > 0)
    assert ax.get_xlim() == surface.bounds[:2] and ax.get_ylim() == surface.bounds[2:]
    stars = [line for line in ax.lines if line.get_marker() == "*"]
    assert len(stars) == len(surface.minima)
    assert len(np.unique(pixels(ax).reshape(-1, 3), axis=0)) > 20


def test_path_moves_with_its_ring_and_name(ax):
    plots.contours(ax, surfaces.ravine, resolution=40)
    made = plots.path(ax, "momentum", points=[[-9.0, 2.5], [-3.0, 1.0]])
    assert made.ring.get_xdata().tolist() == [-9.0]
    assert changed_by_drawing(ax, made.artists)
    made.set_points([[5.0, 1.0], [6.0, 0.0], [9.0, 0.0]])
    assert made.line.get_xdata().tolist() == [5.0, 6.0, 9.0]
    assert made.text.get_horizontalalignment() == "right"
    made.set_points(np.empty((0, 2)))
    assert not made.text.get_visible()
    pixels(ax)


def test_path_refuses_what_is_no_path(ax):
    with pytest.raises(ValueError, match=r"Path\.points must have shape \(n, 2\)"):
        plots.path(ax, "SGD", points=[1.0, 2.0])


# Layers


def test_digit_grid_shows_each_picture_in_its_place(ax):
    grid = plots.DigitGrid(ax, rows=2, columns=3, size=4)
    images = np.random.default_rng(0).random((5, 4, 4))
    grid.set_data(images, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    shown = np.asarray(grid.image.get_array())
    for i in range(5):
        y, x = (i // 3) * grid.down, (i % 3) * grid.side
        assert np.allclose(shown[y : y + 4, x : x + 4], images[i])
    assert [t.get_text() for t in grid.texts] == ["1", "2", "3", "4", "5", ""]


def test_digit_grid_marks_wrong_ones_by_more_than_colour(ax):
    grid = plots.DigitGrid(ax, rows=1, columns=3)
    grid.set_data(np.zeros((3, 64)), [7, 0, 1], [7, 8, 1])
    right, wrong, _ = grid.texts
    assert wrong.get_text() == "✗ 0 ≠ 8" and right.get_text() == "7"
    assert wrong.get_color() != right.get_color() and contrast(wrong.get_color()) >= 4.5
    assert len(grid.frames.get_segments()) == 1
    pixels(ax)
    grid.set_data(np.zeros((3, 8, 8, 1)), [7, 8, 1], [7, 8, 1])
    assert len(grid.frames.get_segments()) == 0 and wrong.get_text() == "8"


def test_digit_grid_takes_what_fits(ax):
    grid = plots.DigitGrid(ax, rows=1, columns=2)
    grid.set_data(np.ones((9, 64)), np.zeros(9, int), np.zeros(9, int))
    grid.set_data(np.ones((0, 64)), [], [])
    assert np.asarray(grid.image.get_array()).max() == 0.0
    pixels(ax)


def test_digit_grid_refuses(ax):
    with pytest.raises(ValueError, match=r"DigitGrid\.rows must be a whole number"):
        plots.DigitGrid(ax, rows=0)
    grid = plots.DigitGrid(ax)
    with pytest.raises(ValueError, match="be as many as predicted and true labels"):
        grid.set_data(np.zeros((3, 64)), [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="have 64 pixels each"):
        grid.set_data(np.zeros((1, 63)), [1], [1])


def test_histogram_shows_shares_and_tells_what_is_outside(ax):
    patch = plots.histogram(ax, [0.0, 1.0, 2.0], method="train")
    assert plots.fill_histogram(patch, [[0.5, 1.5], [1.7, 9.0]]) == pytest.approx(0.25)
    assert patch.get_data().values.tolist() == [0.25, 0.5]
    assert plots.fill_histogram(patch, [np.nan, 0.5]) == pytest.approx(0.5)
    assert plots.fill_histogram(patch, []) == 0.0
    pixels(ax)


@pytest.mark.parametrize("edges", [[1.0], [2.0, 1.0], [0.0, 0.0, 1.0], [[0.0, 1.0]], [0.0, np.nan]])
def test_histogram_refuses_edges_that_do_not_rise(ax, edges):
    with pytest.raises(ValueError, match=r"histogram\.edges must rise"):
        plots.histogram(ax, edges)


@pytest.mark.parametrize("origin", ["upper", "lower"])
@pytest.mark.parametrize("shape", [(7, 11), (100, 100)])
def test_pixels_are_where_imshow_has_them(origin, shape):
    numbers, pictures = np.random.default_rng(0).random(shape), []
    for own in (True, False):
        figure = plots.new_figure(4, 3)
        (ax,) = plots.panels(figure)
        style = {"extent": (-2, 3, -1, 4), "origin": origin, "cmap": "RdBu"}
        if own:
            plots.pixels(ax, numbers, **style)
        else:
            ax.imshow(numbers, interpolation="nearest", vmin=0, vmax=1, **style)
        ax.set_xlim(-1, 4)  # a part of it, and a part without
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()).astype(int))
    differs = np.abs(pictures[0] - pictures[1]).max(axis=-1) > 2
    assert differs.mean() < 0.02  # edges of squares may lie one dot apart


def test_pixels_follow_new_numbers(ax):
    image = plots.pixels(ax, np.zeros((2, 2)), cmap="gray")
    image.set_data(np.ones((2, 2)))
    ax.figure.canvas.draw()
    dots, *_ = image.make_image(ax.figure.canvas.get_renderer())
    assert (dots == 255).all()


READERS = {
    "dark_background": lambda: importlib.import_module("matplotlib.style").use("dark_background"),
    "usetex": lambda: matplotlib.rcParams.update({"text.usetex": True, "font.size": 30}),
    "ggplot": lambda: importlib.import_module("matplotlib.style").use("ggplot"),
    "no ticks": lambda: matplotlib.rcParams.update({"xtick.labelbottom": False, "figure.dpi": 40, "savefig.dpi": 300}),
    "xkcd": lambda: matplotlib.rcParams.update({"path.sketch": (1, 100, 2), "axes.unicode_minus": False}),
}


@pytest.mark.parametrize("style", READERS.values(), ids=READERS)
def test_the_readers_style_stays_out_of_labs_and_stays_as_it_is(style):
    plain = balls.valley().last_frame(momentum=0.5)
    made_before = balls.valley()
    made_before.last_frame()
    still = Still(balls.valley().painter.figure, "An empty figure, with no axes.")._repr_mimebundle_()
    with matplotlib.rc_context():
        style()
        theirs = dict(matplotlib.rcParams.copy())
        for lab in (balls.valley(), made_before):
            frame = lab.last_frame(momentum=0.5)
            assert frame.png == plain.png
            assert frame._repr_mimebundle_() == plain._repr_mimebundle_()
        assert Still(balls.valley().painter.figure, "An empty figure, with no axes.")._repr_mimebundle_() == still
        assert dict(matplotlib.rcParams.copy()) == theirs
