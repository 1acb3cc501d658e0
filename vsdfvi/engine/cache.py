"""Bounded memoisation of per-frame results."""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

ENTRY_BYTES = 512
"""What a result takes beside its own arrays: key, object, place in the order. Frames without a hole have little else,
and a film may have a million of them."""


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

    def discard(self, chosen: Callable[[Hashable], bool]) -> None:
        """Forget the results of some keys."""
        for key in [key for key in self._items if chosen(key)]:
            self.size_bytes -= self._items.pop(key)[1]

    def clear(self) -> None:
        self._items.clear()
        self.size_bytes = 0


class CacheShare:
    """One owner's results in a cache that several share, with its budget: whoever needs room takes it."""

    def __init__(self, cache: Cache, budgets: dict[int, int], owner: int) -> None:
        self._cache = cache
        self._budgets = budgets
        self._owner = owner

    @property
    def budget_bytes(self) -> int:
        """What all owners together may hold: the most that any of them was given."""
        return self._cache.budget_bytes

    @property
    def size_bytes(self) -> int:
        """What all owners together hold."""
        return self._cache.size_bytes

    def get[Value](self, key: Hashable, make: Callable[[], Value], size_of: Callable[[Value], int]) -> Value:
        """The value of a key, made if it is not there."""
        return self._cache.get((self._owner, key), make, size_of)

    def __contains__(self, key: Hashable) -> bool:
        return (self._owner, key) in self._cache

    def clear(self) -> None:
        """End this owner: its results and its budget are forgotten."""
        self._budgets.pop(self._owner, None)
        self._cache.budget_bytes = max(self._budgets.values(), default=0)
        self._cache.discard(lambda key: isinstance(key, tuple) and key[0] == self._owner)

    def give_up(self) -> None:
        """Forget every owner's results, and let each keep half as much from now on: there was no room for them."""
        most = max(self._cache.size_bytes // 2, LEAST_BYTES)
        for owner, budget_bytes in self._budgets.items():
            self._budgets[owner] = min(budget_bytes, most)
        self._cache.budget_bytes = max(self._budgets.values(), default=0)
        self._cache.clear()


LEAST_BYTES = 16 << 20
"""What is kept however little memory there is: with nothing at all every result would be made over and over."""

_shared: dict[str, tuple[Cache, dict[int, int]]] = {}
_owners = itertools.count(1)


def shared_cache(device: str, budget_bytes: int) -> CacheShare:
    """A share of the one cache that this process has for a device. Its budget is the largest of its owners'."""
    cache, budgets = _shared.setdefault(device, (Cache(0), {}))
    owner = next(_owners)
    budgets[owner] = budget_bytes
    cache.budget_bytes = max(budgets.values())
    return CacheShare(cache, budgets, owner)
