"""Entry point."""
from pathlib import Path
from catenary_tools.generation import generate
def main() -> None:
    generate(Path.cwd())
main()
