"""`python -m digitlab` is the command line."""

from digitlab.cli import main

raise SystemExit(main())
