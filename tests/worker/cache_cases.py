# ruff: noqa: E501
"""Questions for measuring the FAQ cache: which entry of the demo is meant, or none (None).

Near misses share words and topic with an entry but its answer would be wrong.
"""

HOURS, REPAIR, RENT, WHERE, ORDER, RETURN = (
    "When are you open?", "How much does a repair cost?", "Can I rent a bike?", "Where are you?",
    "Where is my order?", "Can I return a bike?",
)  # fmt: skip

PARAPHRASES: dict[str, str] = {
    "what are your opening hours please": HOURS, "when do you open": HOURS,
    "at what time do you open": HOURS, "tell me your opening hours": HOURS,
    "what are your business hours": HOURS, "are you open on saturdays": HOURS,
    "how late are you open": HOURS, "until when are you open today": HOURS,
    "what time do you close": HOURS, "when does the shop close": HOURS,
    "hi what time are you open until": HOURS, "opening times please": HOURS,
    "how much is a repair": REPAIR, "what does a repair cost": REPAIR,
    "how expensive is a repair": REPAIR, "what do you charge for a repair": REPAIR,
    "how much to fix my bike": REPAIR, "what is the price of a bike repair": REPAIR,
    "how long will a repair take": REPAIR, "do you fix bikes": REPAIR,
    "can you repair a flat tyre": REPAIR, "my bicycle is broken": REPAIR,
    "do you do bicycle repairs": REPAIR, "how much for repairing a bicycle": REPAIR,
    "can i hire a bike": RENT, "do you have bikes for rent": RENT, "how much is it to rent a bike": RENT,
    "i want to rent a bike": RENT, "what does renting a bike cost": RENT, "do you rent out bicycles": RENT,
    "how much does a bike rental cost per day": RENT, "is it possible to rent a bicycle": RENT,
    "i would like to rent a bike for a day": RENT, "what are your rental prices": RENT,
    "where is your store": WHERE, "where are you located": WHERE, "what's your address": WHERE,
    "how do i get to your shop": WHERE, "where can i find you": WHERE, "what is the address of the shop": WHERE,
    "can i park at your shop": WHERE, "is there parking near the shop": WHERE,
    "where is my delivery": ORDER, "when does my bike arrive": ORDER, "what's the status of my order": ORDER,
    "has my order shipped yet": ORDER, "i am still waiting for my order": ORDER,
    "when will my order arrive": ORDER, "has my order been sent": ORDER, "where is my package": ORDER,
    "can i return my bike": RETURN, "what's your return policy": RETURN, "how do returns work": RETURN,
    "i want to return a bike": RETURN, "can i get my money back": RETURN, "can i exchange my bike": RETURN,
    "may i bring a bike back": RETURN, "i would like a refund": RETURN,
}  # fmt: skip

NEAR_MISSES: tuple[str, ...] = (
    "can you open an account for me", "do you have an opening for a job", "is the bakery next door open",
    "are you open to selling used bikes", "when did you open your first shop", "how many shops are open",
    "how long have you been open", "do you close the deal on the phone", "when is the train station open",
    "do you open parcels before delivery", "can you open the lock on my bike", "are you open on christmas day",
    "how much does a new bike cost", "how much does a helmet cost", "what does a lock cost",
    "can i repair my bike myself", "do you repair scooters", "can you repair my car", "do you sell repair kits",
    "who will repair my bike", "is my repair finished", "did you call me about my repair",
    "is the repair under warranty", "can i pay for the repair by card", "my bike was stolen",
    "how much does delivery cost", "what does shipping cost", "how much is insurance for a bike",
    "can i buy a bike", "can i rent a car", "do you rent helmets", "can i rent a trailer for kids",
    "do you rent out rooms", "can i sell you my bike", "do you buy used bikes", "can i rent to own a bike",
    "can i lease an electric bike through my employer", "do i need a licence for an electric bike",
    "can i extend my rental", "i lost the key of my rental bike", "can i test ride a bike",
    "where is the train station", "where is the nearest bus stop", "where can i buy a helmet",
    "where are your bikes made", "where do you deliver", "what is your email address", "what's your phone number",
    "what is your website", "where do i send the invoice", "where are you from", "where is the manager",
    "can i cancel my order", "can i change my order", "i want to place an order", "can i order by phone",
    "how do i track my order online", "my order arrived damaged", "my order is incomplete",
    "can i pick up my order in the shop", "do you deliver to france", "which bike did i order",
    "how much did my order cost", "can you send my order to another address",
    "can i return a helmet", "can i return a rented bike to another shop", "where do i return a rental bike",
    "when will you return my call", "can i return after lunch", "can i exchange my tickets",
    "how much money do i get back for my old bike", "do you exchange currency", "can i exchange the tyres",
    "what happens if i return the rental late", "does the bike have a return spring",
    "what is the weather like", "tell me a joke", "are you a robot", "who are you", "what is your name",
    "what can you do", "how old are you", "how are you", "do you speak spanish", "can you hear me",
    "i want to complain", "your colleague was rude", "i have a question about my invoice",
    "can you give me a discount", "do you have gift cards", "do you sell electric bikes",
    "which bike do you recommend", "do you have kids bikes in stock", "is the blue bike still available",
    "what size of bike do i need", "how heavy is the city bike", "how far does the electric bike go",
)  # fmt: skip
