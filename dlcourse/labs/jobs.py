"""When a lab runs what: the newest request first, and while nothing is wanted, what may be wanted next.

One job runs at a time; when it is done, the newest request is taken and the ones between are forgotten. While nothing
is wanted, the lab in use trains ahead: the positions of the control in hand, the nearest first. All of it happens on
the kernel's event loop: no threads, no locks.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from dlcourse.labs.ahead import LANES, Ready, groups, lane_of, nearest, side_by_side, stretch
from dlcourse.labs.frame import Shot

PATIENCE = 0.15  # seconds after which a long job shows how far it is, and gives way to a newer request
PLAY = 0.05  # seconds a frame stands when a training run is played
BREATH = 0.02  # seconds after which training ahead listens whether something is wanted
SWEEP = 0.5  # seconds after which a sweep shows what has come meanwhile


class Jobs:
    """The jobs of one lab. What it is to run, and what becomes of the states, the lab says."""

    in_use: "Jobs | None" = None  # those of the lab that the reader has touched last

    def __init__(self, lab: Any):
        self.lab, self.ready = lab, Ready()
        self.task: asyncio.Task[None] | None = None
        self.begin()

    def begin(self) -> None:
        """For a new page: nothing runs, nothing is wanted, nothing is ready."""
        if self.task:
            self.task.cancel()
        self.task, self.playing = None, False
        self.wanted: dict[str, Any] | None = None
        self.in_hand: str | None = None  # the control that moved last, or that the pointer is on
        self.ready.clear()

    def ask(self, settings: dict[str, Any], playing: bool = False) -> None:
        """Ask for a picture; it comes when the running job is done."""
        self.wanted, self.playing = settings, playing
        self.start()

    def forget(self) -> None:
        """The reader has gone on to another lab: one budget is enough for all labs of a page."""
        self.ready.clear()
        self.lab.screen.ready = []

    def approach(self, control: str) -> None:
        """This control may be moved next."""
        self.in_hand = control
        self.start()

    def start(self) -> None:
        if Jobs.in_use not in (self, None):
            Jobs.in_use.forget()
        Jobs.in_use = self
        if self.task is None or self.task.done():
            try:
                self.task = asyncio.get_running_loop().create_task(self.work())
            except RuntimeError:  # no event loop: a plain script
                if self.wanted is not None:
                    self.at_once(self.wanted)

    async def work(self) -> None:
        while True:
            while self.wanted is not None:
                settings, self.wanted = self.wanted, None
                await self.job(settings)
                await asyncio.sleep(0.001)  # let the messages in that have come meanwhile
            in_hand = self.in_hand
            await self.train_ahead()
            if self.wanted is None and self.in_hand == in_hand:
                return

    async def job(self, settings: dict[str, Any]) -> None:
        """Run to the end, or until something newer is wanted and this job is taking long."""
        playing, self.playing = self.playing, False
        started = looked = time.monotonic()
        state = None
        try:
            for state in self.lab.states(settings) if playing else self.known(settings):
                now = time.monotonic()
                if playing or now - looked > PATIENCE:
                    self.lab.put(state, settings)
                    await asyncio.sleep(max(0.001, PLAY - (time.monotonic() - now)) if playing else 0.001)
                    self.lab.renew_ghost()
                    looked = time.monotonic()
                if self.wanted is not None and (playing or looked - started > PATIENCE):
                    return
            shot = self.lab.put(state, settings, self.ready.get(settings))
            await asyncio.sleep(0.001)  # the picture goes out first
            self.lab.renew_ghost()
            self.keep(shot)
        except Exception as error:
            self.lab.report(error, settings)

    def known(self, settings: dict[str, Any]) -> Iterator[Any]:
        """The last state at once, if it is there already."""
        kept = self.ready.get(settings)
        return iter([kept.state]) if kept else self.lab.states(settings)

    def at_once(self, settings: dict[str, Any]) -> None:
        """A job without an event loop."""
        state = None
        try:
            for state in self.lab.states(settings):  # noqa: B007 - the last one counts
                pass
            self.lab.put(state, settings)
            self.lab.renew_ghost()
        except Exception as error:
            self.lab.report(error, settings)

    def keep(self, shot: Shot) -> bool:
        return Jobs.in_use in (self, None) and self.ready.keep(shot)

    def range_of(self, name: str) -> list[dict[str, Any]]:
        """Where this control may be moved to, the nearest first."""
        settings = self.lab.shown.frame.settings
        return [settings | {name: value} for value in nearest(self.lab.controls[name].positions(), settings[name])]

    def stretch_of(self, name: str) -> tuple[float, float]:
        settings, positions = self.lab.shown.frame.settings, self.lab.controls[name].positions()
        return stretch(positions, settings[name], lambda value: settings | {name: value} in self.ready)

    async def train_ahead(self) -> None:
        """The whole range of the control in hand, until something is wanted or the budget is spent."""
        name = self.in_hand
        if name is None or self.lab.shown is None or not self.ready.budget:
            return
        line = self.range_of(name)
        self.ready.turn_to([self.lab.shown.frame.settings, *line])
        self.keep(self.lab.shown)
        renewed = time.monotonic()
        for group in groups([there for there in line if there not in self.ready], self.abreast(name)):
            if not await self.prepare(name, group):
                break
            self.lab.screen.ready = [list(self.lab.controls).index(name), *self.stretch_of(name)]
            if time.monotonic() - renewed > SWEEP:
                self.lab.sweep.renew()
                renewed = time.monotonic()
        if not self.interrupted(name):
            self.lab.sweep.renew()
            await self.draw_ahead(name, line)

    def abreast(self, name: str) -> int:
        """How many positions of this control train side by side."""
        return LANES if name in self.lab.lanes else 1

    def interrupted(self, name: str) -> bool:
        """Is there something better to do than this control's range?"""
        return self.wanted is not None or Jobs.in_use is not self or self.in_hand != name

    async def prepare(self, name: str, group: list[dict[str, Any]]) -> bool:
        """Run these settings, side by side if they are several, and keep where they end, with pictures.

        False: there is no room, or something else is to be done.
        """
        state, looked = None, time.monotonic()
        try:
            for state in self.lab.states(side_by_side(name, group)):  # noqa: B007 - the last one counts
                if time.monotonic() - looked > BREATH:
                    await asyncio.sleep(0.001)
                    looked = time.monotonic()
                    if self.interrupted(name):
                        return False
            for number, settings in enumerate(group):
                kept = self.keep(self.lab.shot(state if len(group) == 1 else lane_of(state, number), settings))
                await asyncio.sleep(0.001)
                if not kept or self.interrupted(name):
                    return False
        except Exception:  # it is reported when the reader gets there; its neighbours are tried without it
            return len(group) == 1 or all([await self.prepare(name, [settings]) for settings in group])
        return True

    async def draw_ahead(self, name: str, line: list[dict[str, Any]]) -> None:
        """New pictures of what was drawn on a scene that is no more."""
        for settings in line:
            shot = self.ready.get(settings)
            if shot and shot.scene is not self.lab.painter.scene:
                self.keep(self.lab.shot(shot.state, settings))
                await asyncio.sleep(0.001)
                if self.interrupted(name):
                    return
