"""What can go wrong with the embedded stack."""


class StackError(RuntimeError):
    """A part of the embedded stack could not do what was asked; the message says which, why and what to do."""


class MissingError(StackError):
    """A program that a part needs is not installed; the message says what to install."""


class PortTakenError(StackError):
    """A server ended at its start because another one listens on its port."""
