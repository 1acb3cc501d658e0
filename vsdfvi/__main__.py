"""``python -m vsdfvi``: the command line where the program itself is not installed."""

from vsdfvi.cli.main import main

main(prog_name="vsdfvi")
