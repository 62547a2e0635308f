"""What keeps a process from running."""


class CannotRunError(Exception):
    """The process cannot run, or go on; the message is a sentence for people that says why."""
