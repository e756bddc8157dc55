from catenary_conformance.model.configs import OverridesModel


def test_the_last_override_of_a_key_holds_and_others_stay() -> None:
    base = {"name": "x", "training": {"seed": 1, "optimizer": {"lr": 0.1}}}
    model = OverridesModel(base)
    model.overrides += [("training.seed", 2), ("training.optimizer.lr", 0.5), ("training.seed", 3)]
    assert model.resolved() == {"name": "x", "training": {"seed": 3, "optimizer": {"lr": 0.5}}}
    assert base == {"name": "x", "training": {"seed": 1, "optimizer": {"lr": 0.1}}}
