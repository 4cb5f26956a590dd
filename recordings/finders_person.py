"""E-mail addresses, names and dates of birth, as spans of the text. Pure."""

import re
from collections.abc import Iterator

from recordings import numerals

Span = tuple[int, int]

# --- e-mail -------------------------------------------------------------------------------------

_WRITTEN = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_DOT = r"(?:\s+(?:dot|punkt|point|punto|ponto)\s+|\.)"
_JOINT = (
    r"(?:\s+(?:dot|punkt|point|punto|ponto|underscore|unterstrich|dash|hyphen|minus|plus)\s+|"
    r"[.+_-])"
)
_AT = re.compile(r"\s+(?:at|ät|arroba|arobase|chiocciola|klammeraffe|at sign)\s+", re.IGNORECASE)
_SPELT = r"(?:[^\W_]{2,}|[^\W_](?:[\s-][^\W_](?![^\W_]))*)"
_LOCAL = re.compile(rf"(?<!\w){_SPELT}(?:{_JOINT}{_SPELT})*\Z", re.IGNORECASE)
_DOMAIN = re.compile(
    rf"(?:{_SPELT}{_JOINT})*?{_SPELT}{_DOT}(?:[^\W\d_]{{2,}}{_DOT})?[^\W\d_]{{2,}}(?!\w)",
    re.IGNORECASE,
)
_LONGEST_SIDE = 80
# “look at example dot com” is no address of anybody
_NOBODY = numerals.words(
    "me us him her them it you look find visit see here there online website site page order "
    "ordered buy bought shop read is are was back up store company out start arrive"
)


def emails(text: str) -> Iterator[Span]:
    for found in _WRITTEN.finditer(text):
        yield found.span()
    for at in _AT.finditer(text):
        before = text[max(0, at.start() - _LONGEST_SIDE) : at.start()]
        local = _LOCAL.search(before)
        domain = _DOMAIN.match(text, at.end(), at.end() + _LONGEST_SIDE)
        if local and domain and local[0].lower() not in _NOBODY:
            yield at.start() - len(local[0]), domain.end()


_SIGNS = {
    **dict.fromkeys(("at", "ät", "arroba", "arobase", "chiocciola", "klammeraffe"), "@"),
    **dict.fromkeys(("dot", "punkt", "point", "punto", "ponto"), "."),
    **dict.fromkeys(("underscore", "unterstrich"), "_"),
    **dict.fromkeys(("dash", "hyphen", "minus"), "-"),
    "plus": "+",
}


def written_email(said: str) -> str:
    """“Info at shop dot com” as info@shop.com."""
    return "".join(_SIGNS.get(word, word) for word in said.lower().split())


# --- names --------------------------------------------------------------------------------------

_I_AM = re.compile(
    r"\b(?:my (?:full |first |last |sur)?name(?: is|['’]s)|the name(?: is|['’]s)|i am called|"
    r"i['’]m called|(?:mein(?:e|)? (?:vor|nach)?name|der name) (?:ist|lautet)|ich hei(?:ß|ss)e|"
    r"mi nombre es|me llamo|je m['’]appelle|mon nom est|mi chiamo|il mio nome è|meu nome é|"
    r"me chamo|mijn naam is|ik heet|اسمي)[\s:,]+",
    re.IGNORECASE,
)
_THIS_IS = re.compile(
    r"\b(?:this is|it['’]s|here is|hier (?:ist|spricht)|am apparat)\s+"
    r"((?:[^\W\d_][\w'’-]*\s+){1,3}?)(?:speaking|calling|here|am apparat)\b",
    re.IGNORECASE,
)
_TITLE = re.compile(r"\b(?:Mrs?|Ms|Miss|Mister|Dr|Herr|Frau|Señora?|Monsieur|Madame)\b\.?\s+")
_SPELLING = re.compile(
    r"\b(?:spelled|spelt|spell(?:ing)?(?: it| that)?|that['’]s|buchstabiert|deletreado)\W+"
    r"([^\W\d_](?:[\s,.-]+[^\W\d_]){2,})(?!\w)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[^\W\d_][^\W\d_]*(?:['’-][^\W\d_]+)*")
_PARTICLES = numerals.words("van von de der den del della di da la le el al bin ibn dos du zu")
# what follows “my name is” and is no name, or ends one
_NO_NAME = numerals.words(
    "not on in at and or but with for from the a an your my his her our their it is was are were "
    "be been there here spelled spelt wrong right misspelled please i you he she we they can could "
    "would will what who how why when where which that this these those so calling speaking to of "
    "about because if no yes okay ok still really just already missing correct und oder aber nicht "
    "falsch richtig ich sie er es wir auf im aus mit bitte y pero con en soy et mais pas je very "
    "good fine customer service support nobody everyone someone"
)


def names(text: str, listed: tuple[str, ...]) -> Iterator[Span]:
    known: set[str] = set()
    for start, end in _told(text):
        known |= {word for word in _NAME.findall(text[start:end]) if len(word) > 2}
        yield start, end
    for name in {*listed, *(word for word in known if word[0].isupper())}:
        if name.strip():
            pattern = rf"(?<!\w){re.escape(name.strip())}(?!\w)"
            flags = re.IGNORECASE if name in listed else 0
            yield from (found.span() for found in re.finditer(pattern, text, flags))


def _told(text: str) -> Iterator[Span]:
    for lead in _I_AM.finditer(text):
        if span := _name_at(text, lead.end(), most=3):
            yield span
    for lead in _TITLE.finditer(text):
        span = _name_at(text, lead.end(), most=2)
        if span and text[span[0]].isupper():
            yield span
    for found in _THIS_IS.finditer(text):
        span = _name_at(text, found.start(1), most=3)
        if span and span[1] >= found.end(1) - 1:
            yield span
    for found in _SPELLING.finditer(text):
        yield found.span(1)


_ASKS_NAME = re.compile(
    r"\b(?:your (?:full |first |last |sur)?name|ihre[nr]? (?:vor|nach)?namen?|votre nom|"
    r"su nombre|il suo nome|who am i (?:speaking|talking) (?:to|with))\b[^.!?]{0,40}\?\s*$",
    re.IGNORECASE,
)
_OPENERS = re.compile(
    r"(?:\W*(?:yes|sure|well|uh|um|it['’]?s|it is|i['’]?m|i am|that['’]?s|ja|das ist|ich bin|sí|"
    r"soy|oui)\b\W*)*\W*",
    re.IGNORECASE,
)


def name_asked_for(question: str, answer: str) -> Span | None:
    """The name which answers “What is your name?”."""
    if not _ASKS_NAME.search(question):
        return None
    lead = _OPENERS.match(answer)
    span = _name_at(answer, lead.end() if lead else 0, most=3)
    return span if span and len(answer[span[1] :].split()) <= 3 else None


def _name_at(text: str, start: int, *, most: int) -> Span | None:
    """Up to `most` words which may be a name: capitals go on with capitals."""
    end, words, is_upper = start, 0, False
    at = start
    while words < most and (word := _NAME.match(text, at)):
        name = word[0]
        is_particle = name.lower() in _PARTICLES
        if name.lower() in _NO_NAME or (words and is_upper and name.islower() and not is_particle):
            break
        if not is_particle:
            words, end = words + 1, word.end()
            is_upper = is_upper or name[0].isupper()
            if words == 2 and not is_upper:
                break
        gap = re.compile(r"[ \t-]+").match(text, word.end())
        if gap is None:
            break
        at = gap.end()
    return (start, end) if words else None


# --- dates of birth -----------------------------------------------------------------------------

_BORN = re.compile(
    r"\b(?:born|birth ?(?:date|day)?|date of birth|d\.?o\.?b|geboren|geburts(?:datum|tag)|"
    r"née?|naissance|nac[íi](?:do|da|miento)?|nascita|nat[oa]|nascimento|geboorte(?:datum)?)\b\.?",
    re.IGNORECASE,
)
_MONTHS = numerals.words(
    "january february march april may june july august september october november december jan "
    "feb mar apr jun jul aug sep sept oct nov dec januar februar märz mai juni juli oktober "
    "dezember janvier février mars avril juin juillet août septembre octobre novembre décembre "
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre "
    "gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre"
)
_ORDINALS = numerals.words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth ersten "
    "zweiten dritten vierten fünften sechsten siebten achten neunten zehnten elften zwölften "
    "primero thousand st nd rd th"
)
_LINKS = numerals.words(
    "is was it its s on in am the of and at my his her would be ist war i m le la el en de del der "
    "den des du vom von im il es est that year"
)
_BIT = re.compile(r"\d+|[^\W\d_]+")


def births(text: str) -> Iterator[Span]:
    """A date told after a word of birth: figures, months, ordinals, with nothing else between."""
    numbers = {token.start: token for token in numerals.tokens(text)}
    for word in _BORN.finditer(text):
        if span := _date_at(text, word.end(), numbers):
            yield span


def _date_at(text: str, at: int, numbers: dict[int, numerals.Token]) -> Span | None:
    first: int | None = None
    end, links, digits, months = at, 0, "", 0
    while bit := _BIT.search(text, at):
        if "\u2588" in text[at : bit.start()] or bit.start() - at > 3:
            break
        token, name = numbers.get(bit.start()), bit[0].lower()
        if token is None and name in _LINKS:
            links += 1
            if links > 6:
                break
            at = bit.end()
            continue
        if token is None and name not in _MONTHS and name not in _ORDINALS:
            break
        first = bit.start() if first is None else first
        digits += token.digits if token else "0" if name in _ORDINALS else ""
        months += name in _MONTHS
        at = end = max(bit.end(), token.end if token else 0)
    is_date = len(digits) >= 4 or (months and digits)
    return (first, end) if first is not None and is_date else None
