"""The report as a browser shows it, opened from disk: what its help promises is tried, key by key.

Where chromium, its driver or selenium is missing, these tests say so and are skipped.
"""

import json
import re
import shutil

import pytest
import reports

from vsdfvi.cleaning.report import KINDS, write_report
from vsdfvi.cleaning.report_tally import SHEET, WORST, tally_of

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: E402
from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="chromium and chromedriver are not installed: apt-get install chromium chromium-driver",
)

SIZES = {"desk": (1400, 900), "phone": (420, 800)}


def opened(*preferences):
    """A browser without a window, which writes down what it loads and what it complains about."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", dict(preferences))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(DRIVER))


def resize(browser, size):
    """A window may not be as narrow as a phone; what the page is told may."""
    width, height = SIZES[size]
    given = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", given)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "a film's ünï & 100%.report.html"
    write_report(path, reports.run_of(), reports.lines(), reports.pictures)
    return path


@pytest.fixture(scope="module")
def worst():
    return [frame.number for frame in tally_of(reports.lines(), reports.FRAMES).worst()]


@pytest.fixture(scope="module")
def started():
    browser = opened()
    yield browser
    browser.quit()


@pytest.fixture
def browser(started, report):
    """The report, just opened; the page must not have complained when the test is done with it."""
    started.get("about:blank")
    started.get_log("browser")
    started.get_log("performance")
    resize(started, "desk")
    started.get(report.as_uri())
    yield started
    assert started.get_log("browser") == []


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def shown(browser):
    """The number of the frame on the stage, and the picture of it that is seen."""
    [frame] = [each for each in browser.find_elements(By.CSS_SELECTOR, ".frame") if each.is_displayed()]
    figures = frame.find_elements(By.CSS_SELECTOR, "figure")
    [kind] = [each.get_attribute("data-kind") for each in figures if visible(browser, each)]
    return int(frame.get_attribute("id").removeprefix("frame-")), kind


def visible(browser, element):
    return browser.execute_script("return getComputedStyle(arguments[0]).visibility", element) == "visible"


def said(browser):
    return find(browser, "[aria-live=polite]").text


def pressed(browser):
    """The texts of the buttons that are down, without their keys."""
    down = browser.find_elements(By.CSS_SELECTOR, "button[aria-pressed=true]")
    return [browser.execute_script("return arguments[0].lastChild.textContent", each) for each in down]


def test_it_loads_nothing(browser):
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [each["params"]["request"]["url"] for each in sent if each["method"] == "Network.requestWillBeSent"]
    assert addresses
    assert {address.partition(":")[0] for address in addresses} <= {"file", "data"}
    assert [address for address in addresses if address.startswith("file:")] == [browser.current_url]


@pytest.mark.parametrize("size", SIZES)
def test_every_picture_loads(browser, size):
    resize(browser, size)
    images = browser.execute_script(
        "return Promise.all([...document.images].map(image => image.decode().then("
        "  () => [image.complete, image.naturalWidth, image.naturalWidth == image.width || !!image.width])))"
    )
    assert len(images) == 5 * WORST + 2 * SHEET
    assert all(complete and width > 0 for complete, width, _ in images)


@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_no_wider_than_the_window(browser, size):
    resize(browser, size)
    for details in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", details)
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width == SIZES[size][0]


def test_it_opens_with_the_worst_frame_as_it_became(browser, worst):
    assert shown(browser) == (worst[0], "after")
    assert pressed(browser) == ["after", "swap under pointer"]


def test_the_address_may_name_a_frame(browser, report, worst):
    browser.get("about:blank")
    browser.get(f"{report.as_uri()}#frame-{worst[3]}")
    assert shown(browser) == (worst[3], "after")


# ---- Keys ----


@pytest.mark.parametrize("place", range(4))
def test_a_number_shows_a_picture(browser, worst, place):
    press(browser, "2" if place == 0 else "1")
    press(browser, str(place + 1))
    assert shown(browser) == (worst[0], KINDS[place])
    assert pressed(browser) == [KINDS[place], "swap under pointer"]
    assert said(browser) == f"Frame {worst[0]}, {KINDS[place]}. 1 of {WORST}."


@pytest.mark.parametrize(("forth", "back"), [(Keys.ARROW_RIGHT, Keys.ARROW_LEFT), ("j", "k"), ("J", "K")])
def test_arrows_and_letters_step_and_come_round(browser, worst, forth, back):
    for number in [*worst[1:], worst[0]]:
        press(browser, forth)
        assert shown(browser) == (number, "after")
    assert said(browser) == f"Frame {worst[0]}, after. 1 of {WORST}."
    press(browser, back)
    assert shown(browser) == (worst[-1], "after")
    assert said(browser) == f"Frame {worst[-1]}, after. {WORST} of {WORST}."


def test_a_view_stays_from_frame_to_frame(browser, worst):
    press(browser, "3", "j")
    assert shown(browser) == (worst[1], "confidence")


def test_z_shows_a_pixel_for_a_pixel(browser):
    def width():
        [image] = [each for each in browser.find_elements(By.CSS_SELECTOR, "figure.shown img") if each.is_displayed()]
        return image.size["width"], int(image.get_attribute("naturalWidth"))

    fitted, natural = width()
    assert fitted > natural
    press(browser, "z")
    assert width() == (natural, natural)
    assert "1:1" in pressed(browser)
    assert ", after, 1:1." in said(browser)
    press(browser, "z")
    assert width() == (fitted, natural)


def test_zoomed_arrows_scroll_the_picture_that_has_the_focus(browser, worst):
    press(browser, "z")
    browser.execute_script("document.querySelector('.frame:not([hidden]) .stage').focus()")
    press(browser, Keys.ARROW_RIGHT)
    assert shown(browser)[0] == worst[0]
    press(browser, "j")
    assert shown(browser)[0] == worst[1]
    assert browser.execute_script("return document.activeElement.parentElement.id") == f"frame-{worst[1]}"


def test_arrows_scroll_a_table_that_has_the_focus(browser, worst):
    find(browser, "#timeline summary").click()
    browser.execute_script("document.querySelector('#timeline .scroll').focus()")
    press(browser, Keys.ARROW_RIGHT)
    assert shown(browser)[0] == worst[0]
    press(browser, "j")
    assert shown(browser)[0] == worst[1]


def test_w_switches_the_swap_off(browser):
    press(browser, "w")
    assert "swap under pointer" not in pressed(browser)
    assert said(browser) == "Swap under the pointer is off."
    ActionChains(browser).move_to_element(find(browser, ".frame:not([hidden]) .canvas")).perform()
    assert not visible(browser, find(browser, ".frame:not([hidden]) figure.other"))
    press(browser, "w")
    assert "swap under pointer" in pressed(browser)


def test_a_question_mark_opens_the_help_and_again_or_escape_closes_it(browser, worst):
    help_list = find(browser, "dialog")
    for close in ("?", Keys.ESCAPE):
        assert not help_list.is_displayed()
        press(browser, "?")
        assert help_list.is_displayed()
        press(browser, "j")  # belongs to nobody now
        press(browser, close)
    assert not help_list.is_displayed()
    assert shown(browser) == (worst[0], "after")


def test_the_help_names_every_key_that_the_buttons_do(browser):
    press(browser, "?")
    named = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "dialog kbd")]
    assert named == ["1", "2", "3", "4", "←", "K", "→", "J", "Z", "W", "?"]
    on_buttons = [each.get_attribute("textContent") for each in browser.find_elements(By.CSS_SELECTOR, ".toolbar kbd")]
    assert set(on_buttons) == set(named) - {"J", "K"}


def test_keys_can_be_switched_off(browser, worst):
    press(browser, "?")
    find(browser, "#keys-on").click()
    find(browser, "#help-close").click()
    press(browser, "1", "j", "z", "w", "?")
    assert shown(browser) == (worst[0], "after")
    assert not find(browser, "dialog").is_displayed()
    find(browser, "#help-button").click()
    assert find(browser, "dialog").is_displayed()


def test_keys_of_the_browser_stay_its_own(browser, worst):
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("1").key_up(Keys.CONTROL).perform()
    ActionChains(browser).key_down(Keys.ALT).send_keys("3").key_up(Keys.ALT).perform()
    assert shown(browser) == (worst[0], "after")


def test_tab_reaches_every_control_in_the_order_of_the_page_and_shows_where_it_is(browser):
    reached = []
    for _ in range(80):
        press(browser, Keys.TAB)
        name, outline = browser.execute_script(
            "const it = document.activeElement;"
            "const name = it.id || it.getAttribute('href') || it.dataset.view || it.dataset.step || it.className;"
            "return [name || it.tagName, getComputedStyle(it).outlineStyle]"
        )
        if name == "BODY":
            break
        assert outline != "none", name
        reached.append(name)
    tally = tally_of(reports.lines(), reports.FRAMES)
    worst = [f"#frame-{frame.number}" for frame in tally.worst()]
    along = [f"#frame-{number}" for number in sorted(frame.number for frame in tally.worst())]
    tools = [*KINDS, "-1", "1", "zoom", "wipe", "help-button"]
    assert reached == [
        *along, "SUMMARY", *tools, "stage", *worst, "all-before", "SUMMARY", "scroll", "SUMMARY",
    ]  # fmt: skip


def test_buttons_answer_to_the_keyboard(browser, worst):
    browser.execute_script("document.querySelector('button[data-view=invented]').focus()")
    press(browser, Keys.SPACE)
    assert shown(browser) == (worst[0], "invented")
    browser.execute_script("document.querySelector('button[data-step=\"1\"]').focus()")
    press(browser, Keys.ENTER)
    assert shown(browser) == (worst[1], "invented")
    browser.execute_script("document.querySelectorAll('.thumbs a')[5].focus()")
    press(browser, Keys.ENTER)
    assert shown(browser) == (worst[5], "invented")
    [current] = browser.find_elements(By.CSS_SELECTOR, ".thumbs [aria-current]")
    assert current.get_attribute("href").endswith(f"#frame-{worst[5]}")


# ---- The pointer ----


def test_a_mark_on_the_timeline_shows_its_frame_and_moves_the_focus(browser, worst):
    find(browser, f'.marks a[href="#frame-{worst[4]}"]').click()
    assert shown(browser) == (worst[4], "after")
    assert browser.execute_script("return document.activeElement.parentElement.id") == f"frame-{worst[4]}"
    top = browser.execute_script("return document.getElementById('worst').getBoundingClientRect().top")
    assert abs(top) <= 1


@pytest.mark.parametrize(("key", "other"), [("1", "after"), ("2", "before"), ("3", "after"), ("4", "after")])
def test_the_picture_swaps_under_the_pointer(browser, key, other):
    press(browser, key)
    canvas = find(browser, ".frame:not([hidden]) .canvas")
    swapped = find(browser, f'.frame:not([hidden]) figure[data-kind="{other}"]')
    assert not visible(browser, swapped)
    quarter = canvas.size["width"] // 4
    ActionChains(browser).move_to_element_with_offset(canvas, quarter, 0).perform()
    assert visible(browser, swapped)
    # Three quarters from the left, to a pixel: left of it lies the counterpart, and the picture itself right of it.
    clip = browser.execute_script("return getComputedStyle(arguments[0]).clipPath", swapped)
    cut_off = re.fullmatch(r"inset\(0px ([\d.]+)% 0px 0px\)", clip)
    assert float(cut_off[1]) == pytest.approx(25, abs=100 / canvas.size["width"])
    seen = browser.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "const at = (share) => document.elementFromPoint(box.left + share * box.width, box.top + box.height / 2);"
        "return [0.7, 0.8].map((share) => at(share).closest('figure').dataset.kind)",
        canvas,
    )
    assert seen == [other, KINDS[int(key) - 1]]
    ActionChains(browser).move_to_element(find(browser, "h1")).perform()
    assert not visible(browser, swapped)


def test_held_down_the_counterpart_is_seen_alone(browser):
    canvas = find(browser, ".frame:not([hidden]) .canvas")
    before = find(browser, '.frame:not([hidden]) figure[data-kind="before"]')

    def clip():
        return browser.execute_script("return getComputedStyle(arguments[0]).clipPath", before)

    ActionChains(browser).move_to_element(canvas).click_and_hold().perform()
    assert (visible(browser, before), clip()) == (True, "none")
    ActionChains(browser).release().perform()
    assert clip() != "none"


def test_a_finger_held_on_it_shows_the_counterpart_alone(browser):
    canvas = find(browser, ".frame:not([hidden]) .canvas")
    before = find(browser, '.frame:not([hidden]) figure[data-kind="before"]')
    finger = ActionBuilder(browser, mouse=PointerInput("touch", "finger"))
    finger.pointer_action.move_to(canvas).pointer_down()
    finger.perform()
    assert visible(browser, before)
    assert "wiping" not in canvas.get_attribute("class")
    finger.clear_actions()
    assert not visible(browser, before)


def test_the_contact_sheet_swaps_too(browser):
    was = find(browser, ".tiles .was")

    def opacity():
        return float(browser.execute_script("return getComputedStyle(arguments[0]).opacity", was))

    assert opacity() == 0
    ActionChains(browser).scroll_to_element(was).move_to_element(find(browser, ".tiles .pair")).perform()
    assert opacity() == 1
    ActionChains(browser).move_to_element(find(browser, "#sheet h2")).perform()
    assert opacity() == 0
    find(browser, "#all-before").click()
    assert opacity() == 1


@pytest.mark.parametrize(("number", "text"), [(60, "nothing to repair"), (99, "frame 99, 0:00:04.125: hole ")])
def test_the_timeline_says_what_is_under_the_pointer(browser, number, text):
    drawing, reading = find(browser, ".shares"), find(browser, ".reading")
    from_the_middle = ((number + 0.5) / reports.FRAMES - 0.5) * drawing.size["width"]
    ActionChains(browser).move_to_element_with_offset(drawing, round(from_the_middle), 0).perform()
    assert reading.text.startswith(text)
    assert find(browser, ".pointer").is_displayed()
    ActionChains(browser).move_to_element(find(browser, "h1")).perform()
    assert reading.text == ""


# ---- Without JavaScript, and on a film without holes ----


def test_without_javascript_all_pictures_are_seen(report):
    browser = opened(("profile.managed_default_content_settings.javascript", 2))
    try:
        browser.get(report.as_uri())
        assert find(browser, "html").get_attribute("class") == ""  # no script has run
        for image in browser.find_elements(By.CSS_SELECTOR, ".frame img"):
            assert image.is_displayed()
            assert image.size["width"] > 0
        assert not find(browser, ".toolbar").is_displayed()
        assert browser.get_log("browser") == []
    finally:
        browser.quit()


def test_a_film_without_holes_opens_without_complaint(browser, tmp_path):
    path = tmp_path / "r.html"
    write_report(path, reports.run_of(3), [reports.line(number) for number in range(3)], reports.pictures)
    browser.get(path.as_uri())
    assert "No frame has a hole" in find(browser, "#worst").text
    press(browser, "1", "j", "?")
