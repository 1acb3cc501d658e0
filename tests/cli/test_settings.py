"""``vsdfvi settings``: what it prints is what the settings are, and docs/reference.md is what it prints."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from vsdfvi.cli.main import main
from vsdfvi.presets import PRESETS, PURPOSES
from vsdfvi.settings import CHOICES, PROGRAMS, Settings, meaning_of, rule_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
ALL = fields(Settings)
NAMES = [each.name for each in ALL]


def printed(*arguments):
    answer = CliRunner().invoke(main, ["settings", *arguments])
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_the_reference_is_what_the_code_says():
    assert REFERENCE.read_text(encoding="utf-8") == printed("--markdown"), "run `make reference`"


def test_the_reference_has_a_row_for_every_setting_in_the_call_s_order():
    rows = re.findall(r"^\| `(\w+)` \| (int|float|data) \|.*\| (.+) \|$", REFERENCE.read_text("utf-8"), re.MULTILINE)
    assert [name for name, _, _ in rows] == NAMES
    assert [meaning for _, _, meaning in rows] == [meaning_of(each) for each in ALL]


def test_the_list_has_a_line_for_every_setting():
    lines = printed().splitlines()
    assert [line.split()[0] for line in lines[1:]] == NAMES
    assert re.fullmatch(r"radius +24 +1 to 128 frames", lines[1])


@pytest.mark.parametrize("setting", ALL, ids=NAMES)
def test_one_setting_is_shown_with_calls_that_may_be_made(setting):
    text = printed(setting.name)
    [script] = re.findall(r"core\.dfvi\.Inpaint\(clip, mask, (.*)\)", text)
    asked = Settings(**eval(f"dict({script})"))
    [option] = re.findall(r"--set (.*)", text)
    [word] = shlex.split(option)
    name, _, value = word.partition("=")
    assert name == setting.name
    assert type(setting.default)(value) == getattr(asked, name)
    for choice in CHOICES.get(setting.name, ()):
        assert re.search(rf"^    {choice} +\S", text, re.MULTILINE)


def test_an_unknown_name_is_refused():
    answer = CliRunner().invoke(main, ["settings", "radios"])
    assert answer.exit_code == 1
    assert answer.output == f"Error: NAME must be one of {', '.join(NAMES)}, got 'radios'\n"


def test_each_preset_says_what_it_is_for():
    assert list(PURPOSES) == list(PRESETS)


def test_every_setting_has_a_rule_and_one_line_of_meaning():
    for each in ALL:
        assert rule_of(each).allows(each.default)
        assert "\n" not in meaning_of(each)
        assert meaning_of(each).endswith(".")


def test_programs_are_those_that_a_path_may_name():
    assert PROGRAMS == ("flow", "synthesis")
    assert set(CHOICES) == {"flow", "completion", "propagation", "synthesis", "view"}
