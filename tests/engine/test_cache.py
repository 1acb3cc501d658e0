"""The cache remembers up to its budget, forgets what was used longest ago, and never changes a value."""

import pytest

from vsdfvi.engine.cache import Cache


def size(value):
    return value


class Maker:
    """Makes the value of a key, and counts."""

    def __init__(self, cache):
        self.cache = cache
        self.made = []

    def get(self, key, size_bytes=10):
        def make():
            self.made.append(key)
            return size_bytes

        return self.cache.get(key, make, size)


@pytest.fixture
def maker():
    return Maker(Cache(30))


def test_what_is_kept_is_not_made_again(maker):
    assert [maker.get("a"), maker.get("a"), maker.get(("a", 1))] == [10, 10, 10]
    assert maker.made == ["a", ("a", 1)]
    assert maker.cache.size_bytes == 20


def test_what_was_used_longest_ago_goes_first(maker):
    for key in ("a", "b", "c", "a", "d"):
        maker.get(key)
    assert [key in maker.cache for key in "abcd"] == [True, False, True, True]
    assert maker.cache.size_bytes == 30
    maker.get("b")
    assert maker.made == ["a", "b", "c", "d", "b"]


def test_as_many_go_as_the_newcomer_needs(maker):
    for key in ("a", "b", "c"):
        maker.get(key)
    maker.get("large", 25)
    assert [key in maker.cache for key in ("a", "b", "c", "large")] == [False, False, False, True]
    assert maker.cache.size_bytes == 25


def test_one_that_exceeds_the_budget_is_kept_alone(maker):
    maker.get("a")
    maker.get("huge", 100)
    assert ("a" in maker.cache, "huge" in maker.cache, maker.cache.size_bytes) == (False, True, 100)
    maker.get("b")
    assert ("huge" in maker.cache, "b" in maker.cache, maker.cache.size_bytes) == (False, True, 10)


def test_a_value_that_could_not_be_made_is_not_kept(maker):
    def fail():
        raise KeyError("no frame")

    with pytest.raises(KeyError):
        maker.cache.get("a", fail, size)
    assert "a" not in maker.cache
    assert maker.cache.size_bytes == 0
    assert maker.get("a") == 10


def test_making_one_may_ask_for_others(maker):
    def make():
        return maker.get("b") + maker.get("c", 15)

    assert maker.cache.get("a", make, lambda _: 10) == 25
    assert maker.made == ["b", "c"]
    # All three together are 35 bytes: the first one made has gone.
    assert [key in maker.cache for key in "abc"] == [True, False, True]
    assert maker.cache.size_bytes == 25


def test_nothing_is_a_value_too(maker):
    made = []
    for _ in range(2):
        assert maker.cache.get("none", lambda: made.append(1), lambda _: 0) is None
    assert made == [1]


def test_cleared_it_is_empty(maker):
    maker.get("a")
    maker.cache.clear()
    assert "a" not in maker.cache
    assert maker.cache.size_bytes == 0
    maker.get("a")
    assert maker.made == ["a", "a"]
