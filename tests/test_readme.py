"""What the README says of the settings is what they are."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from vsdfvi.settings import Settings, rule_of

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
RULES = {field.name: rule_of(field) for field in fields(Settings)}
DEFAULTS = {field.name: field.default for field in fields(Settings)}
KINDS = {int: "int", float: "float", str: "data"}  # as VapourSynth calls them

[CALL] = re.findall(r"^    dfvi\.Inpaint\((.*?)\]\)$", README, re.MULTILINE | re.DOTALL)
ROWS = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", README, re.MULTILINE))


def literal(value):
    """A value as the signature has it."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_call_names_every_setting_with_its_kind_and_default():
    stated = re.findall(r"(int|float|data) (\w+)=(\S+?)[,\s]", CALL + ",")
    assert stated == [(KINDS[type(value)], name, literal(value)) for name, value in DEFAULTS.items()]


def test_the_table_has_a_row_for_every_setting_and_for_nothing_else():
    assert sorted(ROWS) == sorted(DEFAULTS)


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "view"])  # which has a paragraph of its own
def test_a_row_states_the_default_and_why(name):
    *_, default, why = [cell.strip() for cell in ROWS[name].split(" | ")]
    value = DEFAULTS[name]
    stated = "none" if value == "" else f"`{value}`" if isinstance(value, str) else f"{value:g}"
    assert default == stated
    assert why


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "view"])
def test_a_row_states_the_unit_and_the_range(name):
    unit, allowed, *_ = [cell.strip() for cell in f" {ROWS[name]}".split(" | ")]
    assert unit == RULES[name].unit or (name, unit) == ("grain", "share")
    # The largest that any radius allows; the rule that joins the two is in the settings' tests.
    assert allowed == RULES[name].range.replace("128", "`radius`" if name == "min_distance" else "128")
