"""The proof that every offset is in exactly one place. It imports nothing else of Mend, so nothing else can fool it."""
