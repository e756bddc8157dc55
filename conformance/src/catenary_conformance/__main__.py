"""`python -m catenary_conformance`."""

from catenary_conformance.cli import main

if __name__ == "__main__":
    main()
