"""One text for a table's rows, whatever engine gave them, and the SHA-256 of it.

A value is a letter and what follows it; nothing but a list holds another value, and text says its length, so no two rows have one text:

    ~           NULL
    b0 b1       a boolean
    i-42        an integer, of any width
    d0.1        a double: the shortest digits that read back as the same one (Python's repr); -0.0, inf and nan as they are
    n1.50       a decimal, with all the digits of its scale
    t-1000      a timestamp without zone, in microseconds since 1970; one with a zone is an error
    x00ff       bytes
    s5:hello    text: its length in UTF-8, then its UTF-8
    [s1:a~]     a list

A row is its values in the table's order of columns, a table the names of its columns and then its rows in bytewise order: a table has no order. The
documented query has one, and its rows stay as the engine ordered them; but that order leaves open which of two users of one updated_at comes first, so
each stretch of rows with one updated_at is put in bytewise order. Rows that the engine ordered wrongly are stretches in the wrong place, and show.
"""

import datetime
import decimal
import hashlib
import itertools

EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)

DOCUMENTED = "SELECT user_id, email, role, preferences, updated_at FROM users ORDER BY updated_at DESC"
DOCUMENTED_COLUMNS = ["user_id", "email", "role", "preferences", "updated_at"]

USERS_COLUMNS = ["_id", "additional_context", "email", "first_name", "last_name", "org_id", "preferences", "region_name", "role", "updated_at", "user_id",
                 "user_models"]


def value(v):
    if v is None:
        return b"~"
    if isinstance(v, str):
        raw = v.encode()
        return b"s%d:%s" % (len(raw), raw)
    if isinstance(v, bool):
        return b"b%d" % v
    if isinstance(v, int):
        return b"i%d" % v
    if isinstance(v, float):
        return b"d" + repr(v).encode()
    if isinstance(v, decimal.Decimal):
        return b"n" + format(v, "f").encode()
    if isinstance(v, datetime.datetime):
        if v.tzinfo is not None:
            raise TypeError("a timestamp with a zone")
        return b"t%d" % ((v - EPOCH) // MICROSECOND)
    if isinstance(v, (bytes, bytearray, memoryview)):
        return b"x" + bytes(v).hex().encode()
    if isinstance(v, (list, tuple)):
        return b"[%s]" % b"".join(map(value, v))
    raise TypeError(f"no text for a {type(v).__name__}")


def row(values):
    return b"".join(map(value, values))


def digest(columns, texts):
    """The SHA-256, in hex, of rows that are texts already and in order."""
    h = hashlib.sha256(row(columns))
    for text in texts:
        h.update(b"\n" + text)
    return h.hexdigest()


def table(columns, rows):
    return digest(columns, sorted(map(row, rows)))


def documented(rows):
    """The hash of the documented query's rows, whose last column is updated_at."""
    texts = []
    for _, tied in itertools.groupby(rows, key=lambda r: r[-1]):
        texts += sorted(map(row, tied))
    return digest(DOCUMENTED_COLUMNS, texts)
