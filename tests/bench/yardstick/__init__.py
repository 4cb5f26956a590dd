"""`make bench`: the stock livekit-agents sample and this product, in one run. See ../README.md."""
