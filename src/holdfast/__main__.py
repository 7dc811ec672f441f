"""``python -m holdfast`` is ``holdfast``."""

from holdfast.cli.app import main

main()
