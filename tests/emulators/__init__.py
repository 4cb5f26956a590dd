"""Providers which answer on the loopback, as the real ones do. See README.md."""
