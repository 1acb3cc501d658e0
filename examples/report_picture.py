"""The picture of a report: a film is repaired on record, its report is written, and a browser photographs that."""

import base64
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray
from picture_cases import Case
from PIL import Image

SIZE = (1400, 1750)  # pixels of the page, from its top: down to the list of the worst frames
WINDOW = 640  # pixels, height of the window that the page goes by: its stage takes a share of that
WIDTH = 1000  # pixels of the picture

Picture = NDArray[np.uint8]


def lacking() -> str:
    """What is missing here to photograph a page, as a sentence; empty where nothing is."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed: pip install selenium"
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return "chromium and chromedriver are not installed: apt-get install chromium chromium-driver"
    return ""


def report_sheet(case: Case, damaged: vs.VideoNode, mask: vs.VideoNode) -> Image.Image:
    """The report of a case's repair as it looks in a browser, the pointer on what was missing."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "table.report.html"
        write_report_of(page, case, damaged, mask)
        shot = photograph(page, lambda n: middle_of(mask, n))
    return shot.resize((WIDTH, round(shot.height * WIDTH / shot.width)), Image.Resampling.LANCZOS)


def write_report_of(path: Path, case: Case, damaged: vs.VideoNode, mask: vs.VideoNode) -> None:
    """Repair a case's clip on record, and write the report of that."""
    from vsdfvi.cleaning.report import Pictures, Run, write_report

    [given] = case.repairs.values()
    record = path.with_suffix(".jsonl")

    def pictures_of(**more: str) -> vs.VideoNode:
        clip = vs.core.dfvi.Inpaint(damaged, mask, device="cpu", **given, **more)
        return clip.resize.Bicubic(format=vs.RGB24, matrix_in=1)

    begun = time.monotonic()
    result = [rgb(frame) for frame in pictures_of(record=str(record)).frames(close=True)]
    seconds = time.monotonic() - begun
    header, *lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    header["settings"]["record"] = record.name  # where it lay is nobody's concern
    before = damaged.resize.Bicubic(format=vs.RGB24, matrix_in=1)
    confidence, invented = (pictures_of(view=view) for view in ("confidence", "invented"))

    def pictures(n: int) -> Pictures:
        return Pictures(rgb(before.get_frame(n)), result[n], rgb(confidence.get_frame(n)), rgb(invented.get_frame(n)))

    run = Run(
        title=case.title,
        source="table.mkv",
        output="table.repaired.mkv",
        frames=case.frames,
        size=(damaged.width, damaged.height),
        rate=Fraction(24),
        header=header,
        seconds=seconds,
        computed=case.frames,
        files=(),
    )
    in_order = sorted((line for line in lines if line["kind"] == "frame"), key=lambda line: line["frame"])
    write_report(path, run, in_order, pictures)


def middle_of(mask: vs.VideoNode, n: int) -> float:
    """Where the middle of frame n's hole is, from the left, as a share of the width."""
    with mask.get_frame(n) as frame:
        return float(np.flatnonzero(np.asarray(frame[0]).any(axis=0)).mean() / mask.width)


def rgb(frame: vs.VideoFrame) -> Picture:
    """The picture of an RGB frame, ``(height, width, 3)``."""
    return np.stack([np.array(plane) for plane in frame], axis=2)


def photograph(page: Path, across: Callable[[int], float]) -> Image.Image:
    """The page from its top, what was invented on its stage, and the pointer there.

    Args:
        across: Where the pointer is to be on a frame, as a share of its width.
    """
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        width, height = SIZE
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        browser.get(page.resolve().as_uri())
        browser.execute_script(f"document.documentElement.style.setProperty('--window', '{WINDOW}px')")
        frame = browser.find_element(By.CSS_SELECTOR, ".frame:not([hidden])")
        canvas = frame.find_element(By.CSS_SELECTOR, ".canvas")
        number = int(str(frame.get_attribute("id")).removeprefix("frame-"))
        offset = round((across(number) - 0.5) * canvas.size["width"])
        ActionChains(browser).send_keys("4").move_to_element_with_offset(canvas, offset, 0).perform()
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    finally:
        browser.quit()
    path = page.with_suffix(".png")
    path.write_bytes(base64.b64decode(shot))
    with Image.open(path) as image:
        return image.convert("RGB")
