"""The one exception of the converter: its text is the single line that the user reads."""


class Refused(Exception):
    """The input cannot be converted; str() says what, where, expected and found, on one line."""


def quoted(text, limit=60):
    """Text from an untrusted file, made safe for one line of a terminal."""
    text = text if isinstance(text, str) else repr(text)
    text = text if len(text) <= limit else text[:limit - 3] + '...'
    return "'" + text.encode('unicode_escape').decode('ascii').replace("'", "\\'") + "'"


def shown(value):
    """A setting from an untrusted file: a plain value quoted, anything else by its kind (it may be too deep to print)."""
    if isinstance(value, str):
        return quoted(value)
    return repr(value) if isinstance(value, (int, float, type(None))) else 'a ' + type(value).__name__.lower()
