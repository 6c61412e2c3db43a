"""Every benchmark, one after the other, into benchmarks/results/: `python benchmarks/all.py [NAME …]`

A name is that of a file here, training or lanes, say; without one it is all of them. Each piece is a process of its
own; `--under COMMAND` puts a command before it, `--under nice`, say. What cannot run is named; its old results stay.
Peers are whatever is installed beside the course: `pip install torch jax keras scikit-learn thinc dezero numpy-ml`.
"""

import argparse
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PIECES = {
    "training": [["training.py", job] for job in "abchd"],
    "lanes": [["lanes.py"]],
    "surfaces": [["surfaces.py"]],
    "replot": [["replot.py"]],
    "browser": [["browser.py", "--rounds", "2"]],
    "digits_cnn": [["digits_cnn.py"]],
    "mnist1d": [["mnist1d.py"]],
}
DRAWN = "training", "lanes", "surfaces"


def measured(name, under):
    """The report of all pieces under one heading."""
    reports = []
    for script, *arguments in PIECES[name]:
        command = [*under, sys.executable, str(HERE / script), *arguments]
        print("$", *command[len(under) :], flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"{script} ended with {done.returncode}")
        reports.append(done.stdout)
    if not reports[0].startswith("#"):
        return f"# {name}\n\n{date.today()}\n\n```\n{reports[0].strip()}\n```\n"
    first, *others = reports
    return "\n".join([first, *(other[other.index("## ") :] for other in others)])


def tables(text):
    """{title: {candidate: (ms, times ours)}} of a report."""
    found = {}
    for part in text.split("\n## ")[1:]:
        rows = re.findall(r"^\| (\S.*?) \| ([\d.]+) \| ([\d.]+) \|", part, re.MULTILINE)
        found[part.splitlines()[0]] = {name: (float(ms), float(times)) for name, ms, times in rows}
    return found


def draw(path):
    """How long each candidate takes, in multiples of our time: bars on a logarithmic axis, one panel a job."""
    import matplotlib
    from matplotlib.figure import Figure

    from dlcourse.plots.style import PALETTE, RC

    reports = [RESULTS / f"{name}.md" for name in DRAWN]
    panels = {title: rows for each in reports if each.exists() for title, rows in tables(each.read_text()).items()}
    with matplotlib.rc_context({**RC, "svg.fonttype": "none", "svg.hashsalt": "results"}):
        figure = Figure((9, 0.28 * sum(len(rows) + 2.2 for rows in panels.values())), layout="constrained")
        all_axes = figure.subplots(
            len(panels), 1, sharex=True, height_ratios=[len(rows) + 1 for rows in panels.values()]
        )
        for axes, (title, rows) in zip(all_axes, panels.items(), strict=True):
            names = list(rows)[::-1]
            times = [rows[name][1] for name in names]
            colors = [PALETTE["blue"] if rows[name][1] == 1 else "#B0B0B0" for name in names]
            bars = axes.barh(names, [each - 1 for each in times], left=1, color=colors, height=0.7)
            axes.bar_label(bars, [f"{rows[name][0]:.3g} ms" for name in names], padding=4, fontsize=9)
            axes.axvline(1, color=PALETTE["blue"], linewidth=1.5)
            axes.set_title(title, loc="left", fontsize=11)
            axes.tick_params(axis="y", length=0, labelsize=10)
            axes.grid(axis="y", visible=False)
            axes.set_xscale("log")
        all_axes[-1].set_xlabel("time, in multiples of ours (blue line): to the left faster, to the right slower")
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PIECES))
    parser.add_argument("--under", default="", metavar="COMMAND")
    options = parser.parse_args()
    if unknown := set(options.names) - set(PIECES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(PIECES)}")
    for name in options.names or PIECES:
        try:
            (RESULTS / f"{name}.md").write_text(measured(name, shlex.split(options.under)))
        except (RuntimeError, OSError) as error:
            print(f"{name}: not measured here, {error}")
    draw(RESULTS / "peers.svg")
