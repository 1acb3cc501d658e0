"""Bounded memoisation of per-frame results."""

import itertools
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

    def discard(self, chosen: Callable[[Hashable], bool]) -> None:
        """Forget the results of some keys."""
        for key in [key for key in self._items if chosen(key)]:
            self.size_bytes -= self._items.pop(key)[1]

    def clear(self) -> None:
        self._items.clear()
        self.size_bytes = 0


class CacheShare:
    """One owner's results in a cache that several share, with its budget: whoever needs room takes it."""

    def __init__(self, cache: Cache, owner: int) -> None:
        self._cache = cache
        self._owner = owner

    @property
    def size_bytes(self) -> int:
        """What all owners together hold."""
        return self._cache.size_bytes

    def get[Value](self, key: Hashable, make: Callable[[], Value], size_of: Callable[[Value], int]) -> Value:
        """The value of a key, made if it is not there."""
        return self._cache.get((self._owner, key), make, size_of)

    def clear(self) -> None:
        """Forget this owner's results."""
        self._cache.discard(lambda key: isinstance(key, tuple) and key[0] == self._owner)

    def give_up(self) -> None:
        """Forget every owner's results, and keep half as much from now on: there was no room for them."""
        self._cache.budget_bytes = min(self._cache.budget_bytes, self._cache.size_bytes // 2)
        self._cache.clear()


_shared: dict[str, Cache] = {}
_owners = itertools.count(1)


def shared_cache(device: str, budget_bytes: int) -> CacheShare:
    """A share of the one cache that this process has for a device. Its budget is the largest that was asked for."""
    cache = _shared.setdefault(device, Cache(0))
    cache.budget_bytes = max(cache.budget_bytes, budget_bytes)
    return CacheShare(cache, next(_owners))
