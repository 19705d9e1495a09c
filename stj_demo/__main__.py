"""``python -m demo`` opens the practice shop."""

from stj_demo.cli import main

main()
