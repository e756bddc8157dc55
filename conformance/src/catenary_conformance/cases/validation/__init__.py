"""Field rules: what keeps them is taken, what breaks one is refused and the field named."""
