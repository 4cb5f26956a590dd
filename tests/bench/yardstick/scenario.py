"""What callers say and what they are answered. Data, and how it is dealt out to calls.

No sentence of a caller holds a pause in any voice: recognisers would take it for two. Each answer's
first three words are its own, so that the beginning of what was spoken tells which it is. The plain
sentences are about other things than the FAQ on purpose: a cache which answers one of them from the
FAQ answers wrong.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from telephony.caller.speech import VOICES
from tests.emulators.core import Script

GREETING = "Northwind Bikes, good day."
FILLER = "One moment, please."
GO_ON = "Please go on, I am listening."
ASK_BACK = "Sorry, I did not get that. Could you say it another way?"

PLAIN = {
    "Could you clean my bike?":
        "We can do that on Thursday, around nine.",
    "Do you sell cargo bikes?":
        "Two of them are here, both are blue.",
    "Which helmet fits a small child?":
        "For small children, take the extra small one.",
    "My chain comes off on every hill.":
        "That is a worn chain. We replace it today.",
    "Can you pump up my tires?":
        "The pump is free. It stands by the door.",
    "How heavy is your lightest racing bike?":
        "Our lightest racer weighs just seven kilos.",
    "I need a strong lock for a city bike.":
        "A folding lock is strong, we have four.",
    "Does the folding bike fit into a small car?":
        "The folding bike fits, even in small cars.",
    "Is the blue bag waterproof?":
        "The blue bag is waterproof like the black one.",
    "Which of the two bells is better?":
        "The big bell is louder. Both are cheap.",
    "My front lamp does not shine any more.":
        "Front lamps have a guarantee, bring it in.",
    "I want to learn how to change a tire.":
        "Our next workshop is on Sunday at two.",
    "Is the green saddle good for long trips?":
        "The green saddle is good, and it is soft.",
    "Could you send me the catalogue?":
        "A new catalogue comes soon, please wait.",
    "Are there any bikes for teenagers?":
        "Bikes for teenagers begin at ninety dollars.",
    "My brakes are loud in the rain.":
        "Wet brakes often make noise, that is normal.",
    "Which oil is good in winter?":
        "In the winter, take the thick yellow oil.",
    "Can I still join the city race?":
        "The city race is full. There is a list.",
}  # fmt: skip

# sentence, answer which asks, what the caller replies, and the answer to that
YES_NO = [
    ("I want to move my visit to another day.",
     "The next free day is Friday. Is that good?",
     "Yes please.", "Friday it is, see you then."),
    ("I found a scratch on my new bike.",
     "I am sorry about that. Is the frame straight?",
     "Yes it is.", "A straight frame is good news for us."),
    ("I cannot find the invoice for my trailer.",
     "Invoices are kept here. Would you like a copy?",
     "No thank you.", "No copy then, just ask when you like."),
]  # fmt: skip
DIGITS = [
    ("I would like to know where my parcel is.",
     "I can look. What is the order number?",
     "Four seven one nine.", "Order four seven one nine leaves us tomorrow."),
    ("I have to change the address on my card.",
     "That is quickly done. What is your number?",
     "Eight two six five.", "Your card is found, we write to you."),
]  # fmt: skip

# the pause lies between the two; half of them break off where no sentence ends, half where one does
PAUSED = [
    ("I would like to rent a bike for", "the first weekend in May.",
     "The first weekend in May is free."),
    ("I bought a red bike from you.", "And now the bell is broken.",
     "Broken bells are cheap, so take a new one."),
    ("Can you tell me whether my", "old rims are still good.",
     "Old rims are fine, but please show them."),
    ("I am looking for a present.", "It is for my grandmother.",
     "For a grandmother, a basket is always right."),
]  # fmt: skip
PAUSES_MS = (600, 1000)

# question, long answer without much place to breathe, what the caller says into it, the answer
BARGED = [
    ("Tell me how I can lease a bike.",
     "A lease is easy. It runs for three years and you pay a small amount every month while we "
     "take care of all the repairs and once a year we check the whole bike and at the end you may "
     "keep it or give it back or take a new one instead.",
     "And how much is it every month?",
     "Every month it is thirty dollars with repairs."),
    ("Tell me about the bike tour in June.",
     "That tour is lovely. It begins at the lake on a Saturday morning and goes along the river to "
     "the old mill where everybody can take a rest and after that it climbs slowly through the "
     "forest to the castle and comes back to the lake before it gets dark.",
     "But is lunch a part of it?",
     "Lunch is part of it, and drinks are too."),
]  # fmt: skip

# question, other wording of it, answer
FAQ = [
    ("When do you open in the morning?", "What are your opening hours?",
     "We open at nine, and at ten on Saturday."),
    ("Where is your shop?", "What is your address?",
     "You find us at twelve Harbor Street."),
    ("Can I give a bike back?", "How long can I return a bike?",
     "Every bike can be returned within thirty days."),
    ("Can I pay with a credit card?", "Which credit cards do you take?",
     "All credit cards are welcome here."),
    ("Do you sell gift vouchers?", "I would like to buy a voucher.",
     "Vouchers cost from ten dollars up."),
    ("Do you have a car park?", "Where can I park my car?",
     "Parking is free behind the house."),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One turn of a caller."""

    kind: str  # plain, faq, yes_no, digits, pause, barge
    text: str
    answer: str
    voice: str = VOICES[0]
    second: str = ""  # after the pause; or what is said into a long answer
    second_answer: str = ""
    pause_ms: int = 0


def answers() -> dict[str, str]:
    """Last words of the caller → what the model says. "": nobody has spoken yet."""
    leads = [*YES_NO, *DIGITS]
    known = {"": GREETING} | PLAIN
    known |= {lead: asks for lead, asks, _, _ in leads}
    known |= {reply: last for _, _, reply, last in leads}
    for first, second, answer in PAUSED:
        known |= {f"{first} {second}": answer, first: GO_ON, second: answer}
    for question, long, barge, answer in BARGED:
        known |= {question: long, barge: answer}
    known |= {text: entry[2] for entry in FAQ for text in entry[:2]}
    return known | {"*": ASK_BACK}


def utterances() -> list[str]:
    said = [text for text in answers() if text not in ("", "*")]
    joined = {f"{first} {second}" for first, second, _ in PAUSED}
    return [text for text in said if text not in joined]


def script() -> Script:
    return Script.of(utterances(), answers())


@dataclass(frozen=True, slots=True)
class Sizes:
    """Turns of each kind for one arm, in all its blocks together."""

    plain: int = 30
    faq: int = 6
    short: int = 4  # yes or no, and digits
    pauses: int = 8
    barges: int = 3
    blocks: int = 4
    call_turns: int = 7  # about


def rounds(sizes: Sizes, seed: int) -> list[list[list[Item]]]:
    """For each block the calls, for each call its turns. Every arm gets the same."""
    dice = random.Random(seed)
    decks = {kind: _endless(pool, dice) for kind, pool in _pools().items()}
    made = []
    for number in range(sizes.blocks):
        counts = _counts(sizes, number)
        turns = [next(decks[kind]) for kind, count in counts.items() for _ in range(count)]
        dice.shuffle(turns)
        made.append(list(_calls(turns, sizes.call_turns)))
    return made


def _counts(sizes: Sizes, number: int) -> dict[str, int]:
    """How much of each deck one block gets. What leads to a short reply is a plain turn, too."""
    wanted = {
        "plain": sizes.plain, "faq": sizes.faq, "short": sizes.short, "pause": sizes.pauses,
        "barge": sizes.barges,
    }  # fmt: skip
    # the first blocks take what is left over
    shares = {k: n // sizes.blocks + (number < n % sizes.blocks) for k, n in wanted.items()}
    shares["plain"] = max(0, shares["plain"] - shares["short"])
    return shares


def _pools() -> dict[str, list[list[Item]]]:
    """What belongs together is one entry: a question of ours and the reply to it."""
    return {
        "plain": [[Item("plain", text, answer)] for text, answer in PLAIN.items()],
        "faq": [[Item("faq", text, entry[2])] for entry in FAQ for text in entry[:2]],
        "short": [
            [Item("plain", lead, asks), Item(kind, reply, last)]
            for kind, entries in (("yes_no", YES_NO), ("digits", DIGITS))
            for lead, asks, reply, last in entries
        ],
        "pause": [
            [Item("pause", first, answer, second=second, pause_ms=ms)]
            for first, second, answer in PAUSED
            for ms in PAUSES_MS
        ],
        "barge": [
            [Item("barge", question, long, second=barge, second_answer=answer)]
            for question, long, barge, answer in BARGED
        ],
    }


def _endless(pool: list[list[Item]], dice: random.Random) -> Iterator[list[Item]]:
    """All entries in a random order, again and again, each time in the next voice."""
    deck = dice.sample(pool, len(pool))
    for lap in itertools.count():
        for place, entry in enumerate(deck):
            voice = VOICES[(place + lap) % len(VOICES)]
            yield [replace(item, voice=voice) for item in entry]


def _calls(turns: list[list[Item]], length: int) -> Iterator[list[Item]]:
    """Calls of about `length` turns."""
    call: list[Item] = []
    for turn in turns:
        call += turn
        if len(call) >= length:
            yield call
            call = []
    if call:
        yield call
