from catenary.v1.training_pb2 import TRAIN_STATUS_COMPLETED, TRAIN_STATUS_IN_PROGRESS
from catenary_conformance.model.pipelines import PipelineModel, Weights
from catenary_conformance.model.training import RunsModel


def test_a_session_without_a_run_does_not_train() -> None:
    assert not RunsModel().running
    assert RunsModel("r", TRAIN_STATUS_IN_PROGRESS).running
    assert not RunsModel("r", TRAIN_STATUS_COMPLETED).running


def test_a_pipeline_is_loaded_with_its_weights() -> None:
    assert not PipelineModel().loaded
    assert PipelineModel(Weights.FRESH).loaded
