"""What cases train and infer with, on any server: found out by asking the target for what the contract promises.

A train run that the server offers, with a pipeline and losses; a small array that the suite uploads as a dataset; the
weights that the pipeline has after both phases. Each part is made once in a run of the suite, when first needed.
"""

from __future__ import annotations

import copy
import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from catenary.v1.config_pb2 import DataConfig
from catenary.v1.config_requests_pb2 import ListConfigsRequest, ResolveConfigRequest, ValidateConfigRequest
from catenary.v1.discovery_service_pb2 import (
    GetServerInfoRequest,
    GetServerInfoResponse,
    GetTrainingCapabilitiesRequest,
)
from catenary.v1.inference_pb2 import InputBatch
from catenary.v1.inference_requests_pb2 import InferenceRequest
from catenary.v1.pipeline_pb2 import PipelineConfig
from catenary.v1.pipeline_requests_pb2 import (
    GetPipelineInputsRequest,
    LoadPipelineRequest,
    LoadPipelineWeightsRequest,
    SavePipelineRequest,
)
from catenary.v1.session_requests_pb2 import CloseSessionRequest, CreateSessionRequest
from catenary.v1.tensor_pb2 import D_TYPE_FLOAT32
from catenary.v1.train_run_config_pb2 import SetTrainRunConfigRequest, TrainRunConfig
from catenary.v1.training_pb2 import (
    TRAIN_STATUS_COMPLETED,
    TRAINER_TYPE_GRADIENT,
    TRAINER_TYPE_STATISTICAL,
    TrainerType,
)
from catenary.v1.training_requests_pb2 import TrainRequest
from catenary_conformance import progress, rpcs
from catenary_conformance.presuming import presuming
from catenary_conformance.tensors import float_tensor, noise, npy_file, zeros
from catenary_conformance.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.v1.tensor_pb2 import Tensor, TensorSpec
    from catenary_conformance.target import Target

ROWS, COLUMNS, BANDS = 32, 32, 12
"""Size of the array that is trained on, and of the cubes that are inferred from."""
FREE_SIZE = 2
"""Size of a free dimension of which the contract does not say what it means."""
EPOCHS = 2
"""Epochs of a run that is waited for."""
ENDLESS = 100_000
"""Epochs of a run that has to be under way while a case looks at it; it is always stopped."""
FOLDER = "conformance"
"""Folder of the artifact area in which the suite writes. Nothing removes saved files: each run writes over the last."""
PREFERRED_TRAINRUN = "deep_svdd"
"""Train run that is taken where the target offers it and no option names one: it needs no labels."""

Json = dict[str, Any]


def canonical(value: Json) -> bytes:
    """JSON as the contract writes it: UTF-8, sorted keys, no insignificant blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Workload:
    """What the target can be made to train and infer with.

    A part that it does not offer skips the case that asks for it, with the reason.
    """

    def __init__(self, target: Target, trainrun: str = "") -> None:
        self._target = target
        self._wanted = trainrun
        self._kept: set[str] = set()

    @functools.cached_property
    def info(self) -> GetServerInfoResponse:
        """What the target said of itself when it was first asked."""
        return rpcs.GET_SERVER_INFO.ok(self._target, GetServerInfoRequest())

    @property
    def kept(self) -> frozenset[str]:
        """Ids of what later cases need: not to be removed with the case for which it was made."""
        return frozenset(self._kept)

    def claims(self, capability: str) -> bool:
        """Whether the target claims a capability."""
        return capability in {each.name for each in self.info.capabilities}

    @functools.cached_property
    def trainrun_name(self) -> str:
        """Name of a train run with a pipeline and losses, as ResolveConfig takes it."""
        for name in [self._wanted] if self._wanted else self._candidates():
            found = self._resolved(name)
            if found.get("pipeline") and found.get("loss_nodes"):
                return name
        pytest.skip("the target offers no train run with a pipeline and loss_nodes; name one with --trainrun")

    def trainrun(self, *, epochs: int = EPOCHS, **changes: Any) -> Json:  # noqa: ANN401 - any key of the configuration
        """A train run configuration on the uploaded array.

        Args:
            epochs: `training.trainer.max_epochs`.
            changes: keys at its top that are replaced; None removes one.
        """
        config = copy.deepcopy(self._trainrun)
        config["training"]["trainer"]["max_epochs"] = epochs
        config.update(changes)
        return {key: value for key, value in config.items() if key not in changes or value is not None}

    @functools.cached_property
    def data(self) -> Json:
        """A data configuration: the uploaded array, in small portions where possible; else the train run's own."""
        own: Json = self._resolved(self.trainrun_name)["data"]
        if not self._reads_npy():
            return own
        dataset = self.upload("scene").sent(self._target)
        self._kept.add(dataset.dataset_id)
        path = dataset.path
        for candidate in ({"path": path, "batch_size": 1}, {"path": path}, {**own, "path": path}):
            if self._is_valid("data", candidate):
                return candidate
        return own

    @property
    def data_config(self) -> DataConfig:
        """The same as a message."""
        return DataConfig(config_bytes=canonical(self.data))

    @functools.cached_property
    def pipeline(self) -> Json:
        """Definition of the pipeline that the train run has."""
        found: Json = self._trainrun["pipeline"]
        return found

    @functools.cached_property
    def weights_path(self) -> str:
        """Weights that the pipeline has after both phases, in the artifact area."""
        session_id = self.open_session()
        try:
            self.configure(session_id)
            for phase in (TRAINER_TYPE_STATISTICAL, TRAINER_TYPE_GRADIENT):
                self.train(session_id, phase)
            path = f"{FOLDER}/trained"
            saved = rpcs.SAVE_PIPELINE.ok(self._target, SavePipelineRequest(session_id=session_id, pipeline_path=path))
            return saved.weights_path
        finally:
            rpcs.CLOSE_SESSION.ok(self._target, CloseSessionRequest(session_id=session_id))

    def fresh_path(self, stem: str) -> str:
        """A path in the artifact area where nothing is yet. Use `FOLDER` where that does not matter: files stay."""
        return f"{FOLDER}/{self._target.unique(stem)}"

    def upload(self, stem: str, *, content: bytes = b"", labels: Mapping[str, str] | None = None) -> Upload:
        """A dataset of one small array, or other content, under names of its own; not sent yet."""
        name = self._target.unique(stem)
        shape = (ROWS, COLUMNS, BANDS)
        file = content or npy_file(shape, noise(shape, seed=1))
        return Upload(request_id=name, name=name, path="scene.npy", content=file, labels=labels or {})

    def open_session(self, **fields: Any) -> str:  # noqa: ANN401 - fields of the request
        """Id of a new session; the janitor closes it behind the case."""
        return rpcs.CREATE_SESSION.ok(self._target, CreateSessionRequest(**fields)).session_id

    def trained(self, *, epochs: int = EPOCHS) -> str:
        """Id of a new session with the train run configuration and the trained weights."""
        self.weights_path  # noqa: B018 - made before the session, so that it is not in its way
        session_id = self.open_session()
        self.configure(session_id, self.trainrun(epochs=epochs))
        self.load_weights(session_id)
        return session_id

    def configure(self, session_id: str, config: Json | None = None) -> None:
        """Set a train run configuration; without one, the short one."""
        content = canonical(config or self.trainrun())
        rpcs.SET_TRAINRUN.ok(
            self._target,
            SetTrainRunConfigRequest(session_id=session_id, config=TrainRunConfig(config_bytes=content)),
        )

    def load_weights(self, session_id: str) -> None:
        """Load the trained weights into a session that has the pipeline."""
        rpcs.LOAD_WEIGHTS.ok(
            self._target, LoadPipelineWeightsRequest(session_id=session_id, weights_path=self.weights_path)
        )

    def load_pipeline(self, session_id: str) -> None:
        """Load the pipeline of the train run, without weights."""
        pipeline = PipelineConfig(config_bytes=canonical(self.pipeline))
        rpcs.LOAD_PIPELINE.ok(self._target, LoadPipelineRequest(session_id=session_id, pipeline=pipeline))

    def outputs(self, session_id: str, *, of: str = "", seed: int = 0) -> dict[str, Tensor]:
        """What the pipeline of a session gives for inputs that fit it; always the same for the same weights.

        Args:
            session_id: the session.
            of: session that is asked what fits; by default the same.
            seed: of the inputs.
        """
        request = InferenceRequest(session_id=session_id, inputs=self.inputs(of or session_id, seed=seed))
        return dict(rpcs.INFER.ok(self._target, request).outputs)

    def train(self, session_id: str, phase: TrainerType.ValueType) -> None:
        """Train a phase to its end.

        Raises:
            AssertionError: it did not complete.
        """
        messages = rpcs.TRAIN.all(self._target, TrainRequest(session_id=session_id, trainer_type=phase))
        with presuming("CAT-TRN-005"):
            progress.check_terminal(messages)
        assert messages[-1].status == TRAIN_STATUS_COMPLETED, f"the run ended as {messages[-1]}"

    def inputs(self, session_id: str, *, seed: int = 0) -> InputBatch:
        """Inputs that fit what GetPipelineInputs says: all that are required, and the cube if there is one."""
        specs = rpcs.GET_INPUTS.ok(self._target, GetPipelineInputsRequest(session_id=session_id)).input_specs
        wanted = {name: spec for name, spec in specs.items() if spec.required or name == "cube"}
        with presuming("CAT-PIP-016"):
            assert all(size for spec in wanted.values() for size in spec.shape), f"a dimension is 0: {wanted}"
        batch = InputBatch()
        for name, spec in wanted.items():
            tensor = fitting(spec, seed=seed)
            if name in InputBatch.DESCRIPTOR.fields_by_name and name not in NOT_TENSORS:
                getattr(batch, name).CopyFrom(tensor)
            else:
                batch.extra_inputs[name].CopyFrom(tensor)
        return batch

    @functools.cached_property
    def _trainrun(self) -> Json:
        return {**self._resolved(self.trainrun_name), "data": self.data}

    def _candidates(self) -> list[str]:
        """Train runs that the target lists, the preferred one first."""
        with_session = self.open_session()
        try:
            request = ListConfigsRequest(session_id=with_session, config_type="trainrun")
            paths = [each.path for each in rpcs.LIST_CONFIGS.ok(self._target, request).configs]
        finally:
            rpcs.CLOSE_SESSION.ok(self._target, CloseSessionRequest(session_id=with_session))
        return sorted(paths, key=lambda path: PREFERRED_TRAINRUN not in path)

    @functools.cache  # noqa: B019 - lives as long as the run of the suite
    def _resolved(self, name: str) -> Json:
        session_id = self.open_session()
        try:
            request = ResolveConfigRequest(session_id=session_id, config_type="trainrun", path=name)
            found: Json = json.loads(rpcs.RESOLVE_CONFIG.ok(self._target, request).config_bytes)
        finally:
            rpcs.CLOSE_SESSION.ok(self._target, CloseSessionRequest(session_id=session_id))
        return found

    def _reads_npy(self) -> bool:
        if not (self.claims("datasets") and self.claims("discovery")):
            return False
        readers = rpcs.GET_TRAINING_CAPABILITIES.ok(self._target, GetTrainingCapabilitiesRequest()).data_readers
        return any(each.suffix == ".npy" and not each.missing_requirement for each in readers)

    def _is_valid(self, config_type: str, config: Json) -> bool:
        request = ValidateConfigRequest(config_type=config_type, config_bytes=canonical(config))
        return rpcs.VALIDATE_CONFIG.ok(self._target, request).valid


NOT_TENSORS = frozenset({"bboxes", "points", "text_prompt", "extra_inputs"})
"""Inputs with fields of their own that are no tensors."""

_FREE_SIZES = {
    "cube": (1, ROWS, COLUMNS, BANDS),
    "wavelengths": (1, BANDS),
    "mask": (1, ROWS, COLUMNS),
    "rgb_image": (1, ROWS, COLUMNS, 3),
}
"""What the dimensions of the named inputs mean, by the comments of InputBatch."""


def fitting(spec: TensorSpec, *, seed: int = 0) -> Tensor:
    """A tensor that fits a specification; dimensions that are free get small sizes."""
    named = _FREE_SIZES.get(spec.name, ())
    free = named if len(named) == len(spec.shape) else _image_like(len(spec.shape))
    shape = [chosen if size < 0 else size for size, chosen in zip(spec.shape, free, strict=True)]
    if spec.dtype == D_TYPE_FLOAT32:
        return float_tensor(shape, seed=seed)
    return zeros(shape, spec.dtype)


def _image_like(rank: int) -> tuple[int, ...]:
    """Sizes of free dimensions: of a port of rank 4 those of a cube, whatever its name, else small ones."""
    return _FREE_SIZES["cube"] if rank == len(_FREE_SIZES["cube"]) else (FREE_SIZE,) * rank
