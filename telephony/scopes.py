"""What an API key may do. Pure."""

SCOPES = {
    "trunks:read": "See trunks",
    "trunks:write": "Create, change and delete trunks",
    "numbers:read": "See numbers",
    "numbers:write": "Create, change and delete numbers",
    "rules:read": "See dispatch rules",
    "rules:write": "Create, change and delete dispatch rules",
    "projects:read": "See projects",
    "projects:write": "Create, change and publish projects",
    "calls:read": "See calls",
    "calls:write": "Start, transfer and hang up calls",
    "recordings:read": "Read transcripts and hear recordings",
    "recordings:pause": "Pause the recording of a running call, and let it go on",
    "webhooks:read": "See webhooks and their deliveries",
    "webhooks:write": "Create, change, test and delete webhooks, which tell of calls",
}
