"""``vsdfvi presets``."""

from dataclasses import fields

import click

from vsdfvi.presets import PRESETS
from vsdfvi.settings import Settings


@click.command()
@click.argument("name", required=False)
def presets(name: str | None) -> None:
    """Print what presets stand for: as a line of a script, and beside the defaults.

    NAME is one of them. Without it all are printed.
    """
    if name is not None and name not in PRESETS:
        raise click.ClickException(f"NAME must be one of {', '.join(PRESETS)}, got {name!r}")
    click.echo("\n\n".join(described(each) for each in ([name] if name else PRESETS)))


def described(name: str) -> str:
    """A preset as lines of a script, one with its name and one without, and as a table beside the defaults."""
    chosen = PRESETS[name]
    defaults = {field.name: field.default for field in fields(Settings)}
    given = ", ".join(f"{setting}={_literal(value)}" for setting, value in chosen.items())
    rows = [("setting", name, "default")]
    rows += [(setting, _literal(value), _literal(defaults[setting])) for setting, value in chosen.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    table = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows]
    return "\n".join(
        [
            f'core.dfvi.Inpaint(clip, mask, preset="{name}")',
            f"core.dfvi.Inpaint(clip, mask, {given})",
            *(f"    {line}" for line in table),
        ]
    )


def _literal(value: object) -> str:
    """A value as a script has it."""
    return f'"{value}"' if isinstance(value, str) else str(value)
