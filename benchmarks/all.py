"""Every benchmark, one after the other, into benchmarks/results/: `python benchmarks/all.py [NAME …]`

A name is that of a file here, training or lanes, say; without one it is all of them. Each piece is a process of its
own; `--under COMMAND` puts a command before it, `--under nice`, say. What cannot run is named; its old results stay.
So do the words under "What it means": read them again beside the new figures.
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
    "parts": [["parts.py"]],
    "lanes": [["lanes.py"]],
    "gpu": [["gpu.py"]],
    "surfaces": [["surfaces.py"]],
    "replot": [["replot.py"]],
    "sweeps": [["sweeps.py"]],
    "growth": [["growth.py", "size"], ["growth.py", "fits"], ["growth.py", "events"]],
    "startup": [["startup.py", "import"], ["startup.py", "server"], ["startup.py", "chapters"]],
    "checks": [["checks.py"]],
    "grading": [["grading.py", "speed"], ["grading.py", "flood"], ["grading.py", "class"]],
    "browser": [["browser.py", "--rounds", "2"]],
    "digits_cnn": [["digits_cnn.py"]],
    "mnist1d": [["mnist1d.py"]],
}
NOTES = "\n## What it means\n"
DRAWN, OURS = ("training", "lanes", "surfaces"), ("dlcourse", "lanes")


def measured(name, under):
    """The report of all pieces under one heading; None if none of them could run."""
    reports = []
    for script, *arguments in PIECES[name]:
        command = [*under, sys.executable, str(HERE / script), *arguments]
        print("$", *command[len(under) :], flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode == 0:
            reports.append(done.stdout)
        else:
            print(f"  not measured here: it ended with {done.returncode}", flush=True)
    if not reports:
        return None
    if not reports[0].startswith("#"):
        return f"# {name}\n\n{date.today()}\n\n```\n{reports[0].strip()}\n```\n"
    first, *others = reports
    return "\n".join([first, *(other[other.index("## ") :] for other in others)])


def notes(text):
    """What somebody has written below the figures of the last time: it stays, to be read again beside the new ones."""
    return text[text.index(NOTES) :] if NOTES in text else ""


def tables(text):
    """{title: {candidate: (ms, times ours)}} of a report."""
    found = {}
    for part in text.split("\n## ")[1:]:
        rows = re.findall(r"^\| (\S.*?) \| ([\d.]+) \| ([\d.]+) \|", part, re.MULTILINE)
        found[part.splitlines()[0]] = {name: (float(ms), float(times)) for name, ms, times in rows}
    return found


def draw(path):
    """Each candidate's time in multiples of ours, on a logarithmic axis, one panel a job; milliseconds at the right."""
    import matplotlib
    from matplotlib.figure import Figure

    from dlcourse.plots.style import PALETTE, RC

    reports = [RESULTS / f"{name}.md" for name in DRAWN]
    panels = {title: rows for each in reports if each.exists() for title, rows in tables(each.read_text()).items()}
    heights, ticks = [len(rows) for rows in panels.values()], [0.25, 0.5, 1, 2, 5, 10, 20, 50, 100]
    with matplotlib.rc_context({**RC, "svg.hashsalt": "results"}):
        figure = Figure((9, 0.26 * sum(heights) + 0.55 * len(panels) + 0.6), layout="constrained")
        every = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights).ravel()
        for axes, (title, rows) in zip(every, panels.items(), strict=True):
            for place, (name, (ms, times)) in enumerate(rows.items()):
                color = PALETTE["blue"] if name in OURS else "#666666"
                axes.plot([1, times], [place, place], color=color, linewidth=2, zorder=2)
                axes.plot(times, place, "D" if name in OURS else "o", color=color, markersize=7, zorder=3)
                axes.text(
                    1.08,
                    place,
                    f"{ms:,.0f} ms" if ms >= 99.5 else f"{ms:.1f} ms",
                    fontsize=10,
                    ha="right",
                    va="center",
                    transform=axes.get_yaxis_transform(),
                )
            axes.set_yticks(range(len(rows)), rows, fontsize=10)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="y", visible=False)
            axes.axvline(1, color=PALETTE["blue"], linewidth=1.2)
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
            axes.set_xscale("log")
            axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
            axes.minorticks_off()
            axes.set_xlim(0.2, 160)
        every[-1].set_xlabel("time, in multiples of dlcourse's: left of the line faster, right of it slower")
        figure.savefig(path, metadata={"Date": None} if str(path).endswith("svg") else None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PIECES))
    parser.add_argument("--under", default="", metavar="COMMAND")
    options = parser.parse_args()
    if unknown := set(options.names) - set(PIECES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(PIECES)}")
    for name in options.names or PIECES:
        path = RESULTS / f"{name}.md"
        if report := measured(name, shlex.split(options.under)):
            path.write_text(report + (notes(path.read_text()) if path.exists() else ""))
    draw(RESULTS / "peers.svg")
