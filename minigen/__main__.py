"""``python -m minigen``: the same as the command ``minigen``."""

from minigen.cli import main

main()
