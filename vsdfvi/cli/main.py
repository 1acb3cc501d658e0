"""``vsdfvi``, and the list of its commands."""

from importlib import import_module

import click

from vsdfvi import __version__

# Name, and where the click command of that name is. Such a module imports click and the standard library, and the rest
# when its command runs: `vsdfvi --help` imports them all, and answers at once.
COMMANDS = {
    "batch": "vsdfvi.cli.batch",
    "clean": "vsdfvi.cli.clean",
    "doctor": "vsdfvi.cli.doctor",
    "evaluate": "vsdfvi.cli.evaluate",
    "presets": "vsdfvi.cli.presets",
    "settings": "vsdfvi.cli.settings",
    "train": "vsdfvi.cli.train",
    "verify": "vsdfvi.cli.verify",
}


class _Commands(click.Group):
    """Commands whose modules are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vsdfvi")
def main() -> None:
    """Flow-guided video inpainting: what goes with the VapourSynth plugin."""
