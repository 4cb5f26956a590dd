"""Chains of providers: the first one which works serves, and a change is not heard.

Hearing, Mind and Voice stand behind the three nodes of the bot. Each holds ordered members and
moves to the next one when a member refuses, stalls, breaks off or is known to be down.
"""
