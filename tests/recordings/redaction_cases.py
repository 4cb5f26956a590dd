"""What redaction must find and what it must leave alone, as a table; counted by kind.

    python -m tests.recordings.redaction_cases

prints precision and recall. A row is what is said, and the parts of it which must go, by kind.
"""

from collections import Counter
from dataclasses import dataclass, field

from recordings.redaction import Kind, Rules, find

RULES = Rules(
    kinds=frozenset(Kind),
    region="US",
    own_numbers=frozenset({"+12025550100"}),
    names=("Zaphod", "Ford Prefect"),
    id_patterns=(r"\b\d{3}-\d{2}-\d{4}\b", r"\b[A-Z]{2}\d{6}[A-D]\b"),
)
GERMAN = Rules(kinds=frozenset(Kind), region="DE")

Row = tuple[str, dict[str, list[str]]]


def _whole(kind: str, said: str) -> Row:
    return said, {kind: [said]}


CARDS: list[Row] = [
    ("4111111111111111", {"card": ["4111111111111111"]}),
    ("It is 4111 1111 1111 1111.", {"card": ["4111 1111 1111 1111"]}),
    ("4111-1111-1111-1111", {"card": ["4111-1111-1111-1111"]}),
    ("4111.1111.1111.1111", {"card": ["4111.1111.1111.1111"]}),
    ("4111, 1111, 1111, 1111", {"card": ["4111, 1111, 1111, 1111"]}),
    ("4111 1111. 1111 1111.", {"card": ["4111 1111. 1111 1111"]}),
    ("4111\n1111\n1111\n1111", {"card": ["4111\n1111\n1111\n1111"]}),
    ("4111–1111–1111–1111", {"card": ["4111–1111–1111–1111"]}),
    ("378282246310005", {"card": ["378282246310005"]}),
    ("3782 822463 10005", {"card": ["3782 822463 10005"]}),
    ("4222222222222", {"card": ["4222222222222"]}),
    ("30569309025904", {"card": ["30569309025904"]}),
    ("6304000000000000", {"card": ["6304000000000000"]}),
    ("2223 0031 2200 3222", {"card": ["2223 0031 2200 3222"]}),
    ("3530111333300000", {"card": ["3530111333300000"]}),
    ("Card 5555555555554444 expires 11 26", {"card": ["5555555555554444"]}),
    ("4111 1111 1111 1111 12/27", {"card": ["4111 1111 1111 1111"]}),
    ("4111 1111 1111 1111 12 27 123", {"card": ["4111 1111 1111 1111"]}),
    ("1 4111 1111 1111 1111", {"card": ["4111 1111 1111 1111"]}),
    (
        "6011000990139424 or 5555555555554444",
        {"card": ["6011000990139424", "5555555555554444"]},
    ),
    (
        "four one one one one one one one one one one one one one one one",
        {"card": ["four one one one one one one one one one one one one one one one"]},
    ),
    (
        "It's four, one, one, one. One one one one, double one double one, one one one one, thanks",
        {"card": ["four, one, one, one. One one one one, double one double one, one one one one"]},
    ),
    _whole(
        "card",
        "five five five five uh five five five five then five five five five double four "
        "double four",
    ),
    _whole(
        "card",
        "triple five five, double five double five, five five five five, double four four four",
    ),
    (
        "forty-one eleven eleven eleven eleven eleven eleven eleven",
        {"card": ["forty-one eleven eleven eleven eleven eleven eleven eleven"]},
    ),
    (
        "vier eins eins eins eins eins eins eins eins eins eins eins eins eins eins eins",
        {
            "card": [
                "vier eins eins eins eins eins eins eins eins eins eins eins eins eins eins eins"
            ]
        },
    ),
    (
        "einundvierzig elf elf elf elf elf elf elf",
        {"card": ["einundvierzig elf elf elf elf elf elf elf"]},
    ),
    (
        "cuatro uno uno uno, uno uno uno uno, uno uno uno uno, uno uno uno uno",
        {"card": ["cuatro uno uno uno, uno uno uno uno, uno uno uno uno, uno uno uno uno"]},
    ),
    (
        "quatre un un un un un un un un un un un un un un un",
        {"card": ["quatre un un un un un un un un un un un un un un un"]},
    ),
    ("4111 uh 1111 um 1111 and 1111", {"card": ["4111 uh 1111 um 1111 and 1111"]}),
    ("4111 okay then 1111 next 1111 1111", {"card": ["4111 okay then 1111 next 1111 1111"]}),
    ("four 111 one one one one 1111 1111", {"card": ["four 111 one one one one 1111 1111"]}),
    ("٤١١١ ١١١١ ١١١١ ١١١١", {"card": ["٤١١١ ١١١١ ١١١١ ١١١١"]}),
    ("４１１１１１１１１１１１１１１１", {"card": ["４１１１１１１１１１１１１１１１"]}),
    ("۴۱۱۱ ۱۱۱۱ ۱۱۱۱ ۱۱۱۱", {"card": ["۴۱۱۱ ۱۱۱۱ ۱۱۱۱ ۱۱۱۱"]}),
    ("रुपे ४१११ ११११ ११११ ११११", {"card": ["४१११ ११११ ११११ ११११"]}),
    ("My card is 4111 1111 1111 1112", {"card": ["4111 1111 1111 1112"]}),  # one digit misheard
    ("カード番号は4111111111111111です", {"card": ["4111111111111111"]}),
    ("Meine Kreditkarte: 5105105105105100", {"card": ["5105105105105100"]}),
    ("😀4111111111111111😀", {"card": ["4111111111111111"]}),
    # groups which somebody else's words come between: joined over turns, not inside one
    (
        "4111 1111 my dog barks sorry 1111 1111",
        {"card": ["4111 1111 my dog barks sorry 1111 1111"]},
    ),
]
NO_CARDS: list[Row] = [
    ("4111111111111112", {}),
    ("41111111111111111111111", {}),
    ("Order 2026 on 21 11 2026", {}),
    ("From nine to six", {}),
    ("My order number is 1234567890123", {}),
    ("Order 20261125000017 please", {}),
    ("From 9:30 to 10:45, then 11:15 to 12:30", {}),
    ("It costs 1,299.00, not 1,399.00 or 1,499.00", {}),
    ("Years 2019, 2020, 2021, 2022 and 2023", {}),
    ("one or two, maybe three or four of them", {}),
    ("At ten past four one person came, then five", {}),
    ("Parcel 00340434161094042557", {}),
    ("Meter reading 0012 3456", {}),
    ("Sunday 1 to 5, Monday 2 to 6, Tuesday 3 to 7", {}),
    ("Room 4111, floor 11", {}),
    ("550e8400-e29b-41d4-a716-446655440000", {}),
    ("We sold 4111 in May and 1111 in June", {}),
    ("Chapter one one one", {}),
    ("0000 0000 0000 0000", {}),
    ("Serial 9876543210987", {}),
    ("Tracking number 1Z 999 AA1 0123 4567 84", {}),
    ("Version 1.2.3.4.5.6", {}),
    ("192.168.100.200", {}),
    ("Bitte zwei Pizzen und eine Cola", {}),
    ("", {}),
]
CODES: list[Row] = [
    ("The CVV is 123", {"code": ["123"]}),
    ("My security code is one two three", {"code": ["one two three"]}),
    ("the cvc: 9876", {"code": ["9876"]}),
    ("123 is the security code", {"code": ["123"]}),
    ("the three digits on the back are four five six", {"code": ["four five six"]}),
    ("Die Prüfziffer ist 789", {"code": ["789"]}),
    ("El código de seguridad es 321", {"code": ["321"]}),
    ("Visa, expires 12/27, code 123", {"code": ["123"]}),
    ("c v v one double two", {"code": ["one double two"]}),
    ("and on the back it says 455", {"code": ["455"]}),
    (
        "Card 4111 1111 1111 1111, cvv 123",
        {"card": ["4111 1111 1111 1111"], "code": ["123"]},
    ),
    ("What is the security code?\n123.", {"code": ["123"]}),
    ("My postal code is 12345", {}),
    ("The discount code gives 10 percent", {}),
    ("Area code 202", {}),
    ("I lost my card, it happened in 2023", {}),
    ("Can I pay by card? It is 15 dollars", {}),
    ("Door 123", {}),
]
PHONES: list[Row] = [
    ("Call +1 202 555 0123 please", {"phone": ["+1 202 555 0123"]}),
    ("My number is 202-555-0123", {"phone": ["202-555-0123"]}),
    ("(202) 555-0123", {"phone": ["(202) 555-0123"]}),
    ("It's 2025550123", {"phone": ["2025550123"]}),
    ("+49 30 901820", {"phone": ["+49 30 901820"]}),
    ("+44 20 7946 0958", {"phone": ["+44 20 7946 0958"]}),
    (
        "two oh two, five five five, oh one two three",
        {"phone": ["two oh two, five five five, oh one two three"]},
    ),
    (
        "reach me on two zero two triple five zero one double two",
        {"phone": ["two zero two triple five zero one double two"]},
    ),
    (
        "plus four nine three zero nine oh one eight two oh",
        {"phone": ["plus four nine three zero nine oh one eight two oh"]},
    ),
    ("202 uh 555 um 0123", {"phone": ["202 uh 555 um 0123"]}),
    ("２０２-５５５-０１２３", {"phone": ["２０２-５５５-０１２３"]}),
    ("٢٠٢ ٥٥٥ ٠١٢٣", {"phone": ["٢٠٢ ٥٥٥ ٠١٢٣"]}),
    ("Call us on +1 202 555 0100", {}),  # our own
    ("Call us on 202 555 0100", {}),
    ("Call us on two oh two five five five oh one oh oh", {}),
    ("My order number is 2025550123", {}),
    ("order number four five six seven eight nine zero one two three", {}),
    ("Open from 9 to 18, Saturdays 10 to 14", {}),
    ("The year 2026, the 25th of 11", {}),
    ("It was 19.99 and 29.99", {}),
    ("Flat 12, 10115 Berlin", {}),
    ("Invoice 2026-11-25-0017", {}),
    ("one two three testing", {}),
    ("In 2019 we sold 1500000", {}),
]
EMAILS: list[Row] = [
    ("Write to john.smith@example.com.", {"email": ["john.smith@example.com"]}),
    ("j_s+shop@mail.example.co.uk", {"email": ["j_s+shop@mail.example.co.uk"]}),
    ("john dot smith at example dot com", {"email": ["john dot smith at example dot com"]}),
    (
        "It is jane underscore doe at mail dot example dot org, yes",
        {"email": ["jane underscore doe at mail dot example dot org"]},
    ),
    ("j o h n at example dot com", {"email": ["j o h n at example dot com"]}),
    ("john at example.com", {"email": ["john at example.com"]}),
    ("hans punkt meier ät beispiel punkt de", {"email": ["hans punkt meier ät beispiel punkt de"]}),
    ("juan arroba ejemplo punto es", {"email": ["juan arroba ejemplo punto es"]}),
    ("müller@bücher.example", {"email": ["müller@bücher.example"]}),
    ("Look at example dot com", {}),
    ("Find us at example dot com", {}),
    ("Meet me at five dot thirty", {}),
    ("I am at home", {}),
    ("We are at the shop. Come in", {}),
    ("user @ work", {}),
    ("Version two dot one at noon", {}),
]
IBANS: list[Row] = [
    ("DE89370400440532013000", {"iban": ["DE89370400440532013000"]}),
    ("DE89 3704 0044 0532 0130 00", {"iban": ["DE89 3704 0044 0532 0130 00"]}),
    ("My IBAN is gb29 nwbk 6016 1331 9268 19", {"iban": ["gb29 nwbk 6016 1331 9268 19"]}),
    ("FR14 2004 1010 0505 0001 3M02 606, ok?", {"iban": ["FR14 2004 1010 0505 0001 3M02 606"]}),
    ("NL91-ABNA-0417-1643-00", {"iban": ["NL91-ABNA-0417-1643-00"]}),
    (
        "D E eight nine three seven zero four double zero four four oh five three two oh one three "
        "oh oh oh",
        {
            "iban": [
                "D E eight nine three seven zero four double zero four four oh five three two oh "
                "one three oh oh oh"
            ]
        },
    ),
    (
        "delta echo 89 3704 0044 0532 0130 00",
        {"iban": ["delta echo 89 3704 0044 0532 0130 00"]},
    ),
    ("NO93 8601 1117 947", {"iban": ["NO93 8601 1117 947"]}),
    (
        "DE８９ ３７０４ ００４４ ０５３２ ０１３０ ００",
        {"iban": ["DE８９ ３７０４ ００４４ ０５３２ ０１３０ ００"]},
    ),
    ("DE88 3704 0044 0532 0130 00", {}),
    ("DE89 3704 0044 0532 0130", {}),
    ("It is at 12 Main Street", {}),
    ("Is 12 enough for me", {}),
    ("Flight DE8937", {}),
]
NAMES: list[Row] = [
    ("My name is Jane Smith.", {"name": ["Jane Smith"]}),
    ("my name is jane smith and I have a question", {"name": ["jane smith"]}),
    ("This is Peter Parker speaking", {"name": ["Peter Parker"]}),
    ("this is anna calling", {"name": ["anna"]}),
    ("Mein Name ist Hans-Peter Müller", {"name": ["Hans-Peter Müller"]}),
    ("Ich heiße Jürgen", {"name": ["Jürgen"]}),
    ("Me llamo María del Carmen", {"name": ["María del Carmen"]}),
    ("Je m'appelle Zoé", {"name": ["Zoé"]}),
    ("I spoke to Mr. Smith yesterday", {"name": ["Smith"]}),
    ("Mrs O'Neill called", {"name": ["O'Neill"]}),
    ("My name is Ludwig van Beethoven", {"name": ["Ludwig van Beethoven"]}),
    ("My name is Jane Smith, spelled S M I T H", {"name": ["Jane Smith", "S M I T H"]}),
    ("My name is Jane. Jane is short for Janet", {"name": ["Jane", "Jane"]}),
    ("Is zaphod there?", {"name": ["zaphod"]}),
    ("ford prefect sent me", {"name": ["ford prefect"]}),
    ("اسمي محمد", {"name": ["محمد"]}),
    ("My name is on the list", {}),
    ("My name is spelled wrong", {}),
    ("This is really annoying", {}),
    ("This is the shop speaking", {}),
    ("It's me again", {}),
    ("The afford was fine", {}),
    ("Is this the right number?", {}),
    ("Miss you", {}),
]
BIRTHS: list[Row] = [
    ("I was born on 3 May 1980", {"birth": ["3 May 1980"]}),
    ("born 03.05.1980", {"birth": ["03.05.1980"]}),
    ("My date of birth is 1980-05-03.", {"birth": ["1980-05-03"]}),
    ("date of birth: May 3rd, 1980", {"birth": ["May 3rd, 1980"]}),
    (
        "I was born on the third of May nineteen eighty in Rome",
        {"birth": ["third of May nineteen eighty"]},
    ),
    ("My birthday is the 5th of June", {"birth": ["5th of June"]}),
    ("geboren am 3. Mai 1980", {"birth": ["3. Mai 1980"]}),
    ("Mein Geburtsdatum ist der 03.05.1980", {"birth": ["03.05.1980"]}),
    ("DOB 5/3/80", {"birth": ["5/3/80"]}),
    ("Nací el 3 de mayo de 1980", {"birth": ["3 de mayo de 1980"]}),
    ("born in 1980", {"birth": ["1980"]}),
    ("What is your date of birth?\nThe 3rd of May 1980", {"birth": ["3rd of May 1980"]}),
    ("My order of 3 May 1980", {}),
    ("The invoice of 2026-05-03", {}),
    ("A birthday present for 2 people", {}),
    ("We meet on 3 May 2027", {}),
    ("It is my birthday", {}),
]
IDS: list[Row] = [
    ("My number is 123-45-6789", {"id": ["123-45-6789"]}),
    ("It's AB123456C", {"id": ["AB123456C"]}),
    ("Part AB12345", {}),
]
GERMAN_CASES: list[Row] = [
    ("Meine Nummer ist 030 901820", {"phone": ["030 901820"]}),
    (
        "null drei null neun null eins acht zwei null",
        {"phone": ["null drei null neun null eins acht zwei null"]},
    ),
    ("Um 17 Uhr 30, für 2 Personen", {}),
    ("Kundennummer 030901820", {}),
]

CASES: list[tuple[Row, Rules]] = [
    *((row, RULES) for rows in (CARDS, NO_CARDS, CODES, PHONES, EMAILS, IBANS, NAMES, BIRTHS, IDS)
      for row in rows),
    *((row, GERMAN) for row in GERMAN_CASES),
]  # fmt: skip
# said so that nobody can know it without understanding it; counted as missed
KNOWN_MISSES = frozenset({"4111 1111 my dog barks sorry 1111 1111"})
# one in ten numbers of 13 to 19 digits passes the checksum by luck; it goes, to be safe
KNOWN_EXTRAS = frozenset({"Serial 9876543210987"})


@dataclass(slots=True)
class Score:
    hit: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row, rules: Rules) -> bool:
        """True if exactly the expected parts were found."""
        said, parts = row
        expected = Counter((kind, part) for kind, all_ in parts.items() for part in all_)
        found = Counter((hit.kind.value, said[hit.start : hit.end]) for hit in find(said, rules))
        for counter, part in (
            (self.hit, found & expected),
            (self.wrong, found - expected),
            (self.missed, expected - found),
        ):
            counter.update(kind for kind, _ in part.elements())
        return found == expected

    def precision(self, kind: str) -> float:
        told = self.hit[kind] + self.wrong[kind]
        return self.hit[kind] / told if told else 1.0

    def recall(self, kind: str) -> float:
        there = self.hit[kind] + self.missed[kind]
        return self.hit[kind] / there if there else 1.0


def scored() -> Score:
    score = Score()
    for row, rules in CASES:
        score.add(row, rules)
    return score


def main() -> None:
    score = scored()
    print(f"{len(CASES)} rows")
    print(f"{'kind':8}{'there':>7}{'precision':>11}{'recall':>8}")
    for kind in Kind:
        there = score.hit[kind] + score.missed[kind]
        print(f"{kind:8}{there:7}{score.precision(kind):11.3f}{score.recall(kind):8.3f}")
    for row, rules in CASES:
        if not Score().add(row, rules):
            print(f"not as expected: {row[0]!r}")


if __name__ == "__main__":
    main()
