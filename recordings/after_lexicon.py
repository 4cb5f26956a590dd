"""Words which show whether a caller is pleased: English and German, and signs of any language.

Small on purpose: what telephone callers say, not what reviews are written in. Pure.
"""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GOOD = words(
    "thanks thank great good perfect excellent wonderful lovely nice happy glad pleased helpful "
    "brilliant amazing awesome fantastic appreciate cheers super love kind works solved fine "
    "danke gut prima toll perfekt wunderbar freut zufrieden hilfreich klasse nett bestens "
    "großartig geholfen شكرا ممتاز 😀 😊 🙂 😍 👍 ❤ 🎉"
)
_BAD = words(
    "bad terrible awful horrible angry annoyed annoying frustrated frustrating useless ridiculous "
    "unacceptable disappointed disappointing wrong broken problem complaint complain worst hate "
    "stupid late rude waste cancel refund furious unhappy upset scam sorry idiot nonsense "
    "schlecht furchtbar ärgerlich verärgert sauer wütend unverschämt enttäuscht kaputt falsch "
    "problem beschwerde beschweren schlimm dumm unmöglich nervt frechheit mist سيء مشكلة "
    "😡 😠 👎 😞 😢 🤬"
)
_STRONG = {
    "perfect", "excellent", "wonderful", "amazing", "fantastic", "brilliant", "terrible", "awful",
    "horrible", "furious", "unacceptable", "worst", "ridiculous", "unverschämt", "frechheit",
    "😡", "🤬", "😍",
}  # fmt: skip
_WEAK = {"fine", "good", "nice", "gut", "kind", "sorry", "late", "problem", "cancel", "works"}


def _weight(word: str) -> float:
    return 2.0 if word in _STRONG else 0.5 if word in _WEAK else 1.0


TONES = {word: _weight(word) for word in _GOOD} | {word: -_weight(word) for word in _BAD}
NEGATIONS = words(
    "not no never neither nobody nothing isn't wasn't aren't don't doesn't didn't can't cannot "
    "couldn't won't wouldn't hardly without nicht kein keine keinen nie niemals ohne"
)
INTENSE = words("very really so extremely absolutely totally too sehr wirklich total so")
