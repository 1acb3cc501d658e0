"""``vsdfvi presets``: what it prints can be put into a script, and is what the preset does."""

import re

import pytest
from click.testing import CliRunner

from vsdfvi.cli.main import main
from vsdfvi.presets import PRESETS
from vsdfvi.settings import Settings

CALL = re.compile(r"^core\.dfvi\.Inpaint\(clip, mask, (.*)\)$", re.MULTILINE)


def printed(*arguments):
    answer = CliRunner().invoke(main, ["presets", *arguments])
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.mark.parametrize("name", PRESETS)
def test_both_lines_ask_for_the_same(name):
    lines = CALL.findall(printed(name))
    by_name, in_full = (Settings.from_arguments(eval(f"dict({line})")) for line in lines)
    assert by_name == Settings(**{**PRESETS[name], "preset": name})
    assert in_full == Settings(**PRESETS[name])


def test_the_table_has_the_preset_beside_the_defaults():
    rows = [line.split() for line in printed("logo").splitlines()[2:]]
    assert rows[0] == ["setting", "logo", "default"]
    defaults = Settings()
    assert rows[1:] == [[key, str(value), str(getattr(defaults, key))] for key, value in PRESETS["logo"].items()]


def test_without_a_name_all_are_printed():
    everything = printed()
    assert all(printed(name).strip() in everything for name in PRESETS)


def test_an_unknown_name_is_refused():
    answer = CliRunner().invoke(main, ["presets", "hair"])
    assert answer.exit_code == 1
    names = "dirt, scratch, logo, subtitle, dropout, object, preview"
    assert answer.output == f"Error: NAME must be one of {names}, got 'hair'\n"
