"""Attacks on a node of one's own, and what other people notice of them."""
