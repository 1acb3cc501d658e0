"""``vsdfvi settings``."""

from collections.abc import Sequence
from dataclasses import Field, fields
from shlex import quote
from textwrap import fill
from typing import Any

import click

from vsdfvi.rules import OneOf
from vsdfvi.settings import Settings, meaning_of, rule_of

# The whole of docs/reference.md is made here, so that it cannot differ from what the code does.
_HEAD = """\
# Reference: every setting

Made from `vsdfvi/settings.py` by `vsdfvi settings --markdown` (`make reference`); a test holds the two equal. Why each
default is what it is, with figures: the table in the [README](../README.md#the-call). What to turn when something looks
wrong: [settings.md](settings.md) and the [guide](guide.md). Clips that may be given besides:
[references.md](references.md).

The same setting is written

    core.dfvi.Inpaint(clip, mask, radius=48, view="mask")         in a script
    vsdfvi.inpaint(clip, mask, radius=48, view="mask")            in Python, with types
    vsdfvi clean film.mkv -m mask.mkv -o out.mkv --set radius=48 --set view=mask

and printed, with all it may be, by `vsdfvi settings radius`. A value that its rule does not allow is refused when the
script is loaded: `Inpaint: radius must be between 1 and 128 frames, got 0`.
"""

_KINDS = {int: "int", float: "float", str: "data"}
"""What VapourSynth calls the types; ``data`` is text."""


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="Print docs/reference.md.")
def settings(name: str | None, markdown: bool) -> None:
    """Print every setting: what it does, what it may be, and what it is if nothing is said.

    NAME is one of them. Without it all are listed, a line each.
    """
    if markdown:
        click.echo(reference(), nl=False)
    elif name is None:
        click.echo(listed())
    else:
        found = [each for each in fields(Settings) if each.name == name]
        if not found:
            names = ", ".join(each.name for each in fields(Settings))
            raise click.ClickException(f"NAME must be one of {names}, got {name!r}")
        click.echo(described(found[0]))


def listed() -> str:
    """Every setting in a table for a terminal."""
    rows = [("setting", "default", "range")]
    rows += [(each.name, _default(each).strip("`"), _range(each)) for each in fields(Settings)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows)


def described(setting: Field[Any]) -> str:
    """One setting in full, for a terminal."""
    rule = rule_of(setting)
    lines = [f"{setting.name}: {_range(setting)}; {_default(setting).strip('`')} if nothing is said", ""]
    lines += [fill(_plain(meaning_of(setting)), 100)]
    if isinstance(rule, OneOf):
        width = max(map(len, rule.names))
        lines += ["", *(f"    {name:<{width}}  {_plain(meaning)}" for name, meaning in rule.names.items())]
    value = _example(setting)
    literal = f'"{value}"' if isinstance(value, str) else value
    lines += [
        "",
        f"    core.dfvi.Inpaint(clip, mask, {setting.name}={literal})",
        f"    --set {quote(f'{setting.name}={value}')}",
    ]
    return "\n".join(lines)


def reference() -> str:
    """docs/reference.md."""
    table = [("setting", "type", "unit", "range", "default", "meaning"), ("---",) * 6]
    for each in fields(Settings):
        cells = (f"`{each.name}`", _KINDS[type(each.default)], rule_of(each).unit, rule_of(each).range)
        table.append((*cells, _default(each), meaning_of(each)))
    parts = [_HEAD, _lines(table), "", "## Names", ""]
    parts += ["What stands in the range of a setting that is one of some names.", ""]
    names = [("setting", "name", "meaning"), ("---",) * 3]
    for each in fields(Settings):
        rule = rule_of(each)
        if isinstance(rule, OneOf):
            names += [(f"`{each.name}`", f"`{name}`", meaning) for name, meaning in rule.names.items()]
            if rule.endings:
                endings = ", ".join(f"`{ending}`" for ending in rule.endings)
                names.append((f"`{each.name}`", "a path", f"{rule.file}: ends in {endings}"))
    return "\n".join([*parts, _lines(names)]) + "\n"


def _lines(table: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in table).replace("|  |", "| |")


def _default(setting: Field[Any]) -> str:
    value = setting.default
    return "none" if value == "" else f"`{value}`" if isinstance(value, str) else f"{value:g}"


def _range(setting: Field[Any]) -> str:
    return f"{_plain(rule_of(setting).range)} {rule_of(setting).unit}".rstrip()


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")


def _example(setting: Field[Any]) -> Any:
    """A value that the setting may have: the default where there is one."""
    rule = rule_of(setting)
    if setting.default != "":
        return setting.default
    if isinstance(rule, OneOf):
        return next(iter(rule.names))
    return {"weights": "folder", "reject": "12, 40-52", "record": "film.jsonl"}[setting.name]
