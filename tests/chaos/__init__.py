"""A lying shop and a failing machine, mixed by a seed, and laws that must hold whatever they do.

`make chaos SEEDS=100 SECONDS=3600` goes on for as long as wanted; a short, seeded form is among the tests. The laws are looked at
by code that uses nothing of the product's: sqlite3, hashlib and Pillow read what is on the disk.
"""
