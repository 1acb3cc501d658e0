"""Two small clips, and a folder that keeps what is made of them while the tests run."""

import cv2
import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """A folder with two clips of 14 frames, 96x80: a picture that pans."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(2):
        random = np.random.default_rng(number)
        coarse = random.integers(0, 255, (30, 30, 3), np.uint8)
        picture = cv2.resize(coarse, (200, 200), interpolation=cv2.INTER_CUBIC)
        writer = cv2.VideoWriter(str(folder / f"{number}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (96, 80))
        for t in range(14):
            writer.write(np.ascontiguousarray(picture[20 + t : 100 + t, 10 + 2 * t : 106 + 2 * t]))
        writer.release()
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder with four pictures, 48x40 and larger."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        random = np.random.default_rng(number)
        coarse = random.integers(0, 255, (8, 9, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (48 + 5 * number, 40 + number)))
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads as the tests of others leave."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
