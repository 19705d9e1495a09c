"""The shop's pages as data: text in, frozen values out; no network, no clock, no catalogue."""
