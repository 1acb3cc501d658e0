"""The clips that the examples repair, made in a few seconds from photographs that scikit-image carries.

python examples/make_clips.py        writes demo/clips/{logo,transparent_logo,subtitles,film,object,object_mask,coin,
                                     coin_mask,plate}.mkv
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from demo import damage, footage
from demo.footage import COFFEE, FILM, HEIGHT, LAUNCH, WIDTH
from demo.video_files import LosslessWriter
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "demo/clips"

# A camera that does not move, a coin that lies before it all the time, and the same shot when it had been taken away.
LYING = replace(COFFEE, end=COFFEE.begin, actor=replace(COFFEE.actor, place=lambda _: (300, 270, 1.5, 40)))
BARE = replace(LYING, actor=replace(COFFEE.actor, place=lambda _: (-900, -900, 1.5, 0)))

LINES = ("We have been here before.", "This time we stay.", "Coffee first.")

Frame = Sequence[NDArray[np.uint8]]


def main() -> None:
    """Write the clips."""
    parser = argparse.ArgumentParser(description="Make the clips that the examples repair.")
    parser.add_argument("--frames", type=int, help="how many of each clip, from its start; else all")
    most = parser.parse_args().frames
    film, launch, coffee = (shots[:most] for shots in map(range, (footage.length(FILM), LAUNCH.frames, COFFEE.frames)))
    write("logo", film, 3, with_logo)
    write("transparent_logo", film, 3, with_transparent_logo)
    write("subtitles", film, 3, with_subtitles)
    write("film", launch, 3, as_old_film)
    write("object", coffee, 3, lambda n: footage.render((COFFEE,), n))
    write("object_mask", coffee, 1, lambda n: (footage.actor_mask((COFFEE,), n),))
    write("coin", coffee, 3, lambda n: footage.render((LYING,), n))
    write("coin_mask", range(1), 1, lambda n: (footage.actor_mask((LYING,), n),))
    write("plate", range(1), 3, lambda n: footage.render((BARE,), n, seed=11))


def write(name: str, frames: range, planes: int, frame: Callable[[int], Frame]) -> None:
    """Write one clip, a frame at a time."""
    path = FOLDER / f"{name}.mkv"
    with LosslessWriter(path, WIDTH, HEIGHT, planes) as clip:
        for n in frames:
            clip.write(frame(n))
    print(path)


def with_logo(n: int) -> Frame:
    """Return frame ``n`` under a station's logo."""
    return damage.laid_over(footage.render(FILM, n), [damage.logo(WIDTH, HEIGHT)])[0]


def with_transparent_logo(n: int) -> Frame:
    """Return frame ``n`` under a station's logo that one sees through."""
    return damage.laid_over(footage.render(FILM, n), [damage.transparent_logo(WIDTH, HEIGHT)])[0]


def with_subtitles(n: int) -> Frame:
    """Return frame ``n`` with its subtitle, if there is one: each line stays for 32 frames of 40."""
    clean = footage.render(FILM, n)
    if n % 40 >= 32:
        return clean
    return damage.laid_over(clean, [damage.subtitle(WIDTH, HEIGHT, LINES[n // 40])])[0]


def as_old_film(n: int) -> Frame:
    """Return frame ``n`` scratched and dirty."""
    layers = [damage.scratch(WIDTH, HEIGHT, n, line) for line in damage.scratches(WIDTH, HEIGHT, LAUNCH.frames)]
    return damage.laid_over(footage.render((LAUNCH,), n), layers + damage.dirt(WIDTH, HEIGHT, n))[0]


if __name__ == "__main__":
    main()
