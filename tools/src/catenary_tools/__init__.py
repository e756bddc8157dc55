"""Tools that generate the contract's code, check that it is current, and compare two versions of the contract."""
