"""``python -m demo`` opens the practice shop."""

from demo.cli import main

main()
