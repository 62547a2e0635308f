"""A terminal that keeps what it shows."""

import io
import re

_STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """Standard output as a terminal is."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True

    def shown(self) -> str:
        """What a person reads: all of it without colours."""
        return _STYLES.sub("", self.getvalue())
