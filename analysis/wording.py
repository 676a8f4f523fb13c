"""What may be said in words: sentences and notes without small numbers of people."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PEOPLE = r"(?:of them|people|persons?|responses?|respondents?|rows?|answers?|cases?|members?|managers|peer workers|colleagues)"
_KIND = r"(?:more|other|complete|linked|unlinked|usable|of the|incomplete|remaining|flagged)"
_COUNTED = re.compile(rf"(?<!ewer than )(?<!at least )\b(\d+)(?= (?:{_KIND} )*{_PEOPLE}\b)|(?<=\bgot )(\d+)\b")
_AND_SO_MANY = re.compile(
    r"\band (\d+)(?= (?:have|has|had|are|were|is|was)\b)"
)  # "5 people have no code, and 1 have …"
_SMALLEST_PAIR = re.compile(r"(answered both of any two items) \((\d+)\)")
_SHARE = re.compile(rf"\b(\d+) of (?:the |all )?(\d+)(?= {_PEOPLE})")
_RANGE = re.compile(rf"\bfrom (\d+) to (\d+) of (\d+)(?= {_PEOPLE})")
# Words of the analyses that tell what everybody answered, or how few there are, and what is said instead.
_TELLING = (
    (r"\ball (who answered .*? gave the same answer)", r"all or nearly all \1"),
    (r"\ball \d+ complete responses are alike on", "all or nearly all complete responses are alike on"),
    (r"got \S+ in all \d+ rows", "which these answers do not"),
    (
        r"Items with one answer only (tell nothing about distance and are left out of it).*",
        r"Items that hardly vary \1.",
    ),
    (r"too small: [^.]*\.", "some have fewer."),
    # What all or none of a group said is what each of them said.
    (rf"\b100(?:\.0+)? ?% of (?:all |the )*(?={_PEOPLE}\b)", "most of the "),
    (rf"(?<![\d.])0(?:\.0+)? ?% of (?:all |the )*(?={_PEOPLE}\b)", "few of the "),
    (rf"\ball (?:of )?(?:the )?(?:\d+ )?({_PEOPLE} (?:agreed|disagreed|said|gave|chose|judged|rated))", r"most \1"),
    (
        rf"\b(?:none of|not one of|no) (?:all |the )?({_PEOPLE} (?:agreed|disagreed|said|gave|chose|judged|rated))",
        r"few \1",
    ),
    (r"at least two of its answers are needed in both waves", "it has too few answers in one of the waves"),
    # Sums over both waves, beside a flow table in which the single counts may be withheld.
    (
        r"\d+ answers have no code, and \d+ have too many unknown elements to be compared\.",
        "Answers without a code, or with too many unknown elements, are not compared.",
    ),
    (
        r"\d+ answers have a code that others of (.*?) have too, and \d+ have the code of several of the other wave: none",
        r"Answers with a code that others of \1 have too, or that several of the other wave have, stay out: none",
    ),
    (r"(too few people have both scores) \(\d+\)", r"\1"),
)


def fit_to_say(text: str, floor: int, sizes: Sequence[int] = ()) -> str:
    """Return a sentence without small numbers of people, and without what everybody answered.

    ``sizes`` are the numbers of people that readers know: one that falls short of them by fewer than floor
    would tell how many are missing. A number that happens to lie there by chance becomes "nearly" too.
    """
    for telling, instead in _TELLING:
        text = re.sub(telling, instead, text)
    return _without_small_counts(text, floor, sizes)


def _without_small_counts(text: str, floor: int, sizes: Sequence[int]) -> str:
    """Return a sentence in which no small number of people stands, nor one that follows by subtraction.

    Notes are written for whoever analyses the data and may say how many people were left out.
    """

    def counted(found: re.Match[str]) -> str:
        number = int(found.group(1) or found.group(2))
        if 0 < number < floor:
            return f"fewer than {floor}"
        near = [size for size in sizes if 0 < size - number < floor]
        return f"nearly {min(near)}" if near and number not in sizes else found.group(0)

    def share(found: re.Match[str]) -> str:
        part, whole = int(found.group(1)), int(found.group(2))
        if 0 < part < floor:
            return f"fewer than {floor} of {whole}"
        return f"nearly all of {whole}" if 0 < whole - part < floor else found.group(0)

    def spread(found: re.Match[str]) -> str:
        least, most, whole = (int(number) for number in found.groups())
        if least == most == whole:
            return found.group(0)
        near = any(0 < number < floor or 0 < whole - number < floor for number in (least, most))
        return f"from some to all of {whole}" if near else found.group(0)

    def more(found: re.Match[str]) -> str:
        return f"and fewer than {floor}" if 0 < int(found.group(1)) < floor else found.group(0)

    def pair(found: re.Match[str]) -> str:
        number = int(found.group(2))
        told = number < floor or any(0 < size - number < floor for size in sizes)
        return found.group(1) if told else found.group(0)

    if "withheld" in text:  # our own note on suppression, which counts rows of a table
        return text
    if re.search(r"needs? (?:at least )?\d+", text):
        # "needs at least 3 people" is a rule, not a count of anybody: only what was got is hidden.
        return re.sub(
            r"(?<=\bgot )(\d+)\b", lambda found: counted(_COUNTED.search(f"got {found.group(1)}") or found), text
        )
    text = _SMALLEST_PAIR.sub(pair, _AND_SO_MANY.sub(more, text))
    return _COUNTED.sub(counted, _SHARE.sub(share, _RANGE.sub(spread, text)))
