"""The demo project: a shop which a newcomer can call without any key. Data only."""

from typing import TypedDict


class Entry(TypedDict):
    question: str
    variants: str
    answer: str
    digit: str


SLUG, NAME = "demo", "Northwind Bikes"
NUMBER, TRUNK, RULE = "+12025550100", "Loopback line", "Demo line"
GREETING = (
    "Hello, this is Northwind Bikes. Ask me about our opening hours, repairs, rentals, "
    "or your order. How can I help you?"
)
ASK_BACK = "Sorry, I did not get that. You can ask about opening hours, repairs or rentals."
GOODBYE = "Thank you for calling Northwind Bikes. Good-bye."
HANDOVER = "I will ask a colleague to call you back shortly."

FAQ: list[Entry] = [
    {
        "question": "When are you open?",
        "variants": "What are your opening hours?\nWhat time do you open?\n"
        "Are you open on Saturday?\nHow late are you open today?\nWhen do you close?",
        "answer": "We are open Monday to Friday from nine to six, and Saturday from ten to four.",
        "digit": "1",
    },
    {
        "question": "How much does a repair cost?",
        "variants": "Do you repair bicycles?\nWhat does it cost to fix my bike?\n"
        "My bike is broken\nCan you fix a flat tire?\nHow long does a repair take?",
        "answer": "A basic repair costs forty dollars and is usually done within two days.",
        "digit": "2",
    },
    {
        "question": "Can I rent a bike?",
        "variants": "Do you rent bikes?\nHow much is a rental?\n"
        "What does it cost to rent a bike for a day?\nI would like to rent a bicycle",
        "answer": "Yes. A city bike is twenty dollars a day, an electric bike is thirty five.",
        "digit": "3",
    },
    {
        "question": "Where are you?",
        "variants": "Where is your shop?\nWhat is your address?\nHow do I find you?\n"
        "Can I park near the shop?",
        "answer": "You find us at twelve Harbor Street, next to the train station.",
        "digit": "",
    },
    {
        "question": "Where is my order?",
        "variants": "When will my bike arrive?\nWhat is the status of my order?\n"
        "I am waiting for my delivery\nHas my order been shipped?",
        "answer": "Orders arrive within five working days. You get a message when yours leaves us.",
        "digit": "",
    },
    {
        "question": "Can I return a bike?",
        "variants": "What is your return policy?\nI want my money back\n"
        "Can I exchange my bike for another one?",
        "answer": "You can return any bike within thirty days if you bring the receipt.",
        "digit": "",
    },
]
