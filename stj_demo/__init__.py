"""The practice shop: a loopback server with a shop's markup, and the garments it sells."""
