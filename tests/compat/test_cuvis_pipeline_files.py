"""A pipeline file of a CUVIS.AI system is sent, resolved, trained and used here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from catenary_client import Client

if TYPE_CHECKING:
    from pathlib import Path

DEFINITION = """\
metadata: {name: Sorting, author: cuvis.ai, cuvis_ai_version: 0.5.3}
plugins: [cuvis_ai_builtin]
nodes:
- {name: data, class_name: cuvis_ai.node.data.LentilsAnomalyDataNode, hparams: {normal_class_ids: [0]}}
- name: norm
  class_name: cuvis_ai.node.normalization.MinMaxNormalizer
  hparams: {eps: 1.0e-06, use_running_stats: true}
- {name: rx, class_name: cuvis_ai.anomaly.rx_detector.RXGlobal, hparams: {num_channels: 24, cache_inverse: true}}
- {name: logit, class_name: cuvis_ai.node.conversion.ScoreToLogit, hparams: {init_scale: 1.0, init_bias: 0.0}}
- {name: decider, class_name: cuvis_ai.deciders.binary_decider.BinaryDecider, hparams: {threshold: 0.5}}
- {name: quality, class_name: cuvis_ai.node.metrics.AnomalyDetectionMetrics, hparams: {execution_stages: null}}
connections:
- {source: data.outputs.cube, target: norm.inputs.data}
- {source: norm.outputs.normalized, target: rx.inputs.data}
- {source: rx.outputs.scores, target: logit.inputs.scores}
- {source: logit.outputs.logits, target: decider.inputs.logits}
- {source: decider.outputs.decisions, target: quality.inputs.decisions}
- {source: data.outputs.mask, target: quality.inputs.targets}
"""


def test_a_file_of_another_system_trains_and_infers(server: str, tmp_path: Path) -> None:
    (tmp_path / "sorting.yaml").write_text(DEFINITION)
    with Client(server) as client:
        sent = client.upload_pipeline(tmp_path / "sorting.yaml", "theirs/sorting")
        assert client.pipeline_info(sent.pipeline_path).yaml_content == DEFINITION
        assert "RXGlobal" in client.draw_definition(DEFINITION.encode(), "svg").decode()
        with client.session() as session:
            resolved = session.resolve("pipeline", sent.pipeline_path, ["nodes.decider.params.threshold=0.6"])
            assert resolved.values["nodes"][4]["params"]["threshold"] == 0.6
            session.set_trainrun(
                {
                    "name": "sorting",
                    "pipeline": resolved.values,
                    "data": {"source": "synthetic", "synthetic": {"rows": 24, "cols": 24, "bands": 24}},
                    "metric_nodes": ["iou", "precision"],
                }
            )
            events = list(session.train("statistical"))
            assert events[-1].status == "COMPLETED"
            assert {"val_iou", "val_precision"} <= set(events[-2].metrics)
            cube = np.random.default_rng(1).random((1, 8, 8, 24), np.float32)
            assert session.infer(cube=cube)["decider.decisions"].shape == (1, 8, 8, 1)
