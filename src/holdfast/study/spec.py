"""Moved to ``holdfast.spec``."""

from holdfast.spec import *  # noqa: F403
