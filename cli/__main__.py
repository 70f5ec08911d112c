"""`python -m cli` is `ctr`: a child is started with the interpreter of its parent, wherever `ctr` is installed."""

from cli.app import main

main()
