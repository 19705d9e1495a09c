"""`python -m stj_demo`: open the practice shop."""

from stj_demo.cli import main

main()
