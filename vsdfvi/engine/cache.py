"""Bounded memoisation of per-frame results."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Cache:
    """Keeps the results used last, up to a budget. Losing one costs time, never changes a byte.

    Args:
        budget_bytes: Sum of the sizes kept. One result may exceed it: it is then kept alone.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get[Value](self, key: Hashable, make: Callable[[], Value], size_of: Callable[[Value], int]) -> Value:
        """The value of a key, made if it is not there."""
        if key in self._items:
            self._items.move_to_end(key)
            value: Value = self._items[key][0]
            return value
        value = make()
        size_bytes = size_of(value)
        self._items[key] = value, size_bytes
        self.size_bytes += size_bytes
        while self.size_bytes > self.budget_bytes and len(self._items) > 1:
            _, (_, freed) = self._items.popitem(last=False)
            self.size_bytes -= freed
        return value

    def __contains__(self, key: Hashable) -> bool:
        return key in self._items

    def clear(self) -> None:
        self._items.clear()
        self.size_bytes = 0
