"""Translations of all that students and instructors read, through gettext."""

from __future__ import annotations

import gettext
from pathlib import Path

__all__ = ["_", "ngettext"]

# Read once: gettext's own functions look for the catalogue on disk at every call.
_translation = gettext.translation("autograder", Path(__file__).parent / "locale", fallback=True)
_ = _translation.gettext
ngettext = _translation.ngettext
