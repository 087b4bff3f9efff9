"""`python -m actstudy`."""

from actstudy.cli import main

main()
