"""Why the stack on one machine cannot do what was asked: every message is a sentence for people."""


class StackError(Exception):
    """The stack cannot start or go on; the message says why and what to do about it."""


class PortTakenError(StackError):
    """A port that the stack needs is another program's."""


class ProcessDiedError(StackError):
    """A process of the stack ended by itself; the message has the end of its log."""
