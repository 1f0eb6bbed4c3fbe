"""The migrations, applied by mend.store.migrate."""
