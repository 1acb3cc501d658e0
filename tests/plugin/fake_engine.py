"""Stands in for vsdfvi.engine.inpainter: wants a window, writes n into the luma, fails where it is told to."""

import logging
import sys


def filled(n):
    """Luma of frame n; for no n the zero of a cleared plane."""
    return n % 200 + 7


class Rules:
    """What the next inpainters do, and what was asked of them."""

    def __init__(self):
        self.radius = 3
        self.reach = 3
        self.failure = None  # makes the exception that is raised ...
        self.fails_in = ()  # ... by these functions ...
        self.fails_at = ()  # ... for these frames
        self.answer = None  # given by prepare whatever it is asked
        self.properties = {"DfviHole": 5, "Share": 0.25, "Kind": "fake"}
        self.message = None
        self.keeps = False
        self.on_prepare = None  # called by prepare, on the engine's thread
        self.calls = []
        self.settings = None
        self.formats = None
        self.seen = {}
        self.kept = []


rules = Rules()


def reset():
    """Take the rules of a well-behaved engine."""
    rules.__init__()


def install():
    """Take the real engine's place in this process."""
    sys.modules["vsdfvi.engine.inpainter"] = sys.modules[__name__]


class Inpainter:
    def __init__(self, settings, clip, mask):
        rules.settings, rules.formats = settings, (clip, mask)
        self.clip, self.mask = clip, mask
        self.reach = rules.reach
        self._note("open", None)

    def _note(self, name, n):
        rules.calls.append((name, n))
        if rules.message:
            logging.getLogger("vsdfvi.fake").log(*rules.message)
        if name in rules.fails_in and (n in rules.fails_at or not rules.fails_at):
            raise rules.failure()

    def prepare(self, n, clip, mask):
        self._note("prepare", n)
        rules.seen[n] = (clip, mask) if rules.keeps else (sorted(clip), sorted(mask))
        if rules.on_prepare:
            rules.on_prepare()
        if rules.answer:
            return rules.answer
        if not mask[0 if self.mask.frames == 1 else n].planes[0].any():
            return ("source",)
        first, last = max(n - rules.radius, 0), min(n + rules.radius, self.clip.frames - 1)
        if min(clip) > first or max(clip) < last:
            return ("need", n - rules.radius, n + rules.radius)
        return ("ready", n - first, last - n)

    def finish(self, n, planes):
        self._note("finish", n)
        planes[0][:] = filled(n)
        return rules.properties

    def discard(self, n):
        self._note("discard", n)

    def close(self):
        self._note("close", None)
