"""What the contract says, as small models without a server, and the machines that hold a target against them."""
