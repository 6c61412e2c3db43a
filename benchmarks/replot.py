"""What a new picture costs: a lab's painter against a new figure per event. `python benchmarks/replot.py`

The picture of browser_page.py as a PNG, 900 x 320: a curve of 300 losses, a 100 x 100 map, 1000 points.
"""

import io
from itertools import cycle

import browser_page as page
import matplotlib
import matplotlib.pyplot as plt
from common import in_turn, machine, report

from dlcourse.labs.picture import encode

OURS = "Painter + encode"


def saved(figure, **options):
    png = io.BytesIO()
    figure.savefig(png, **options)
    plt.close(figure)
    return png.getvalue()


def candidates():
    states = cycle([page.train(position) for position in range(0, page.POSITIONS, 20)])
    lab, rebuilt = page.make_lab(), page.make_lab()

    def pixels(drawn=lab):
        return drawn.painter.pixels(lambda: page.draw(drawn.painter.figure, next(states)))

    def our_artists_anew():
        rebuilt.new_picture()
        page.draw(rebuilt.painter.figure, next(states))
        return saved(rebuilt.painter.figure)

    def moved():
        page.draw(rebuilt.painter.figure, next(states))
        return saved(rebuilt.painter.figure)

    still = pixels().copy()
    return {
        OURS: lambda: encode(pixels()),
        "  the Painter alone": pixels,
        "  encode alone": lambda: encode(still),
        "plt: new figure, savefig with tight bbox": lambda: saved(page.draw_anew(next(states)), bbox_inches="tight"),
        "plt: the same with contourf": lambda: saved(page.draw_anew(next(states), contours=True), bbox_inches="tight"),
        "our artists on a new figure, savefig": our_artists_anew,
        "our artists moved, savefig": moved,
    }


if __name__ == "__main__":
    matplotlib.use("agg")
    print(machine("matplotlib", "pillow"))
    medians = in_turn(candidates())
    report("a new picture, 900 x 320", medians, OURS)
