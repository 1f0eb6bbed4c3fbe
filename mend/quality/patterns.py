"""Regular expressions that mean the same to both engines: RE2 (rows) and Python's re (the suite).

A rule holds the RE2 spelling and RE2's meaning: ASCII classes, `$` at the very end only. Known remainder: with (?i),
RE2 also takes the Kelvin sign for a k and the long s for an s.
"""

import re
import warnings

TOKEN = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|\{,|.", re.DOTALL)
FLAGS = re.compile(r"\(\?([a-zA-Z-]+)[:)]")
LEADING_FLAGS = re.compile(r"\(\?([a-z]+)\)")
SPACE = r"\t\n\f\r "
TO_RE2 = {r"\Z": r"\z", "{,": "{0,"}
TO_PYTHON = {"$": r"\Z", r"\z": r"\Z", r"\s": f"[{SPACE}]", r"\S": f"[^{SPACE}]"}


class PatternError(ValueError):
    """The pattern is wrong, or the two engines would read it differently; the text says why."""


def to_re2(pattern: str) -> str:
    """Return the RE2 spelling. A wrong pattern or one that only one engine understands raises PatternError."""
    _refuse_ambiguous(pattern)
    spelled = TOKEN.sub(lambda token: TO_RE2.get(token[0], token[0]), pattern)
    _compile_python(spelled)
    _compile_re2(spelled)
    return spelled


def to_python(pattern: str) -> str:
    """Return the spelling for Python's re, whose search then finds exactly what RE2 finds."""
    flags = LEADING_FLAGS.match(pattern)
    body = pattern[flags.end() :] if flags else pattern
    return f"(?a{flags[1] if flags else ''})" + TOKEN.sub(_python_token, body)


def _python_token(token: re.Match[str]) -> str:
    text = token[0]
    if text.startswith("[") and len(text) > 1:
        return re.sub(r"\\(.)", lambda escape: SPACE if escape[1] == "s" else escape[0], text, flags=re.DOTALL)
    return TO_PYTHON.get(text, text)


def _refuse_ambiguous(pattern: str) -> None:
    if any(len(token[0]) > 1 and token[0].startswith("[") and "[:" in token[0] for token in TOKEN.finditer(pattern)):
        raise PatternError("[:name:] classes are not supported; write the characters, such as [A-Za-z]")
    flags = "".join(found[1] for found in FLAGS.finditer(pattern))
    if set(flags) - set("is-"):
        raise PatternError("of the flags only (?i) and (?s) are supported")
    if "i" in flags and not pattern.isascii():
        raise PatternError("(?i) knows ASCII letters only; write both cases of the others, such as [Üü]")


def _compile_python(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(to_python(pattern))
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
        raise PatternError(str(error)) from error


def _compile_re2(pattern: str) -> None:
    import duckdb

    try:
        with duckdb.connect() as connection:
            connection.execute("SELECT regexp_matches('', ?)", [pattern])
    except duckdb.Error as error:
        reason = str(error).partition(": ")[2].splitlines()[0]
        raise PatternError(f"{reason} (look-arounds, backreferences and \\u escapes are not supported)") from error
