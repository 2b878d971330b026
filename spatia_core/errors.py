"""Every error a person can meet: it says what was given, what is accepted and what to do next."""


class SpatiaError(Exception):
    """Base of all errors raised on purpose; its text is fit to be shown to a person as it stands."""


class InvalidInput(SpatiaError, ValueError):
    """Something given from outside (file, number, mask, click) cannot be used."""


class BackendUnavailable(SpatiaError, RuntimeError):
    """A backend was asked for that this machine lacks; the text names the package or file and the names that work."""


class TrackingLost(SpatiaError, RuntimeError):
    """The tracker could not place a frame against the memory."""


class ProjectFormatError(SpatiaError, ValueError):
    """A session file is damaged, of another version, or not a session file."""


class Cancelled(SpatiaError):
    """The person stopped the work; nothing that existed before was changed."""
