"""Whatever comes in: only typed errors, within two seconds and 500 MB. `python -m tests.fuzz` goes on for as long as wanted."""
