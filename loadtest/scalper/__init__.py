"""A scalper at one network address against buyers at many others: what each of them gets."""
