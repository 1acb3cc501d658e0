"""Cores made and freed in one process, as a previewer does with every reload; imported by scripts of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import vapoursynth as vs


class Policy(vs.EnvironmentPolicy):
    """One environment at a time, whichever was set last."""

    api: Any
    current: Any = None

    def on_policy_registered(self, special_api: Any) -> None:
        self.api = special_api

    def on_policy_cleared(self) -> None:
        pass

    def get_current_environment(self) -> Any:
        return self.current

    def set_environment(self, environment: Any) -> Any:
        before, self.current = self.current, environment
        return before


_policy = Policy()
vs.register_policy(_policy)


@contextmanager
def own_core() -> Iterator[None]:
    """A core that lives as long as the block."""
    environment = _policy.api.create_environment()
    with _policy.api.wrap_environment(environment).use():
        yield
    _policy.api.destroy_environment(environment)
