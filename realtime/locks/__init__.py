"""The write path: viewer -> node -> owning master, one round trip."""
