"""Stands in for vsdfvi.engine.inpainter: wants a window, writes n into the luma, fails where it is told to.

Where there is a survey it wants that too, and writes the sum of what it shows.
"""

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
        self.survey = ()
        self.extra_reach = {}
        self.extra_formats = {}
        self.seen = {}
        self.seen_extras = {}  # frame: {name: numbers, or the frames themselves where it keeps}
        self.seen_survey = {}  # frame: for each call of prepare, the numbers lent of clip and mask, or None
        self.kept = []


rules = Rules()


def reset():
    """Take the rules of a well-behaved engine."""
    rules.__init__()


def install():
    """Take the real engine's place in this process."""
    sys.modules["vsdfvi.engine.inpainter"] = sys.modules[__name__]


class Inpainter:
    def __init__(self, settings, clip, mask, extras):
        rules.settings, rules.formats, rules.extra_formats = settings, (clip, mask), extras
        self.clip, self.mask = clip, mask
        self.reach, self.survey = rules.reach, rules.survey
        self.extra_reach = {name: rules.extra_reach.get(name, rules.reach) for name in extras}
        self.ready = {}
        self._note("open", None)

    def _note(self, name, n):
        rules.calls.append((name, n))
        if rules.message:
            logging.getLogger("vsdfvi.fake").log(*rules.message)
        if name in rules.fails_in and (n in rules.fails_at or not rules.fails_at):
            raise rules.failure()

    def prepare(self, n, clip, mask, extras, survey):
        self._note("prepare", n)
        rules.seen[n] = (clip, mask) if rules.keeps else (sorted(clip), sorted(mask))
        rules.seen_extras[n] = {name: lent if rules.keeps else sorted(lent) for name, lent in extras.items()}
        rules.seen_survey.setdefault(n, []).append(survey and tuple(sorted(lent) for lent in survey))
        if rules.on_prepare:
            rules.on_prepare()
        if rules.answer:
            return rules.answer
        if not mask[0 if self.mask.frames == 1 else n].planes[0].any():
            return ("source",)
        first, last = max(n - rules.radius, 0), min(n + rules.radius, self.clip.frames - 1)
        if min(clip) > first or max(clip) < last:
            return ("need", n - rules.radius, n + rules.radius)
        if self.survey and survey is None:
            return ("survey",)
        self.ready[n] = filled(n)
        if survey:
            self.ready[n] = sum(int(frame.planes[0][0, 0]) for frame in survey[0].values()) % 256
        return ("ready", n - first, last - n)

    def finish(self, n, planes):
        self._note("finish", n)
        planes[0][:] = self.ready.pop(n)
        return rules.properties

    def discard(self, n):
        self._note("discard", n)

    def close(self):
        self._note("close", None)
