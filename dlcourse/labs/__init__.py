"""Live labs: pictures that retrain a network under their sliders.

lab        the engine: run, draw, describe → a picture that follows its controls
controls   what a reader can turn
jobs       when what is run: the newest request first, then (ahead) what may be wanted next
sweep      the curves of all positions of one control, behind the present one
picture    from a matplotlib figure to bytes, in milliseconds; screen: from bytes to the page
code       the lines behind a picture
measure    what many labs measure; words: numbers as a book sets them

start and the folders hold the labs of the chapters, one folder each.
"""

from dlcourse.labs.controls import Choice, Seed, Slider, Switch
from dlcourse.labs.frame import Frame
from dlcourse.labs.lab import Lab

__all__ = ["Choice", "Frame", "Lab", "Seed", "Slider", "Switch"]
