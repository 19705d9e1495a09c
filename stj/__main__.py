"""`python -m stj`: the same as `stj`."""

from stj.cli import main

main()
