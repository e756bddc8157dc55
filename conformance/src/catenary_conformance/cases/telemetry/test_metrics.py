"""Metrics of a run: as they were logged, or in few points that hide no peak."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from catenary.telemetry.v1.metric_query_pb2 import QueryMetricsRequest
from catenary_conformance import rpcs
from catenary_conformance.requirement import requirement
from catenary_conformance.trainer import Trainer, samples

if TYPE_CHECKING:
    from catenary.telemetry.v1.metric_pb2 import MetricSeries
    from catenary_conformance.target import Target

_COUNT = 500
_VALUES = [math.sin(each * 12.9898) * 43758.5453 % 1.0 for each in range(_COUNT)]


def _queried(target: Target, run_id: str, *names: str, **fields: int) -> list[MetricSeries]:
    request = QueryMetricsRequest(run_id=run_id, metric_names=names, **fields)
    return list(rpcs.QUERY_METRICS.ok(target, request).series)


@requirement("CAT-TEL-033")
def test_one_series_comes_back_for_each_name_in_the_order_of_the_request(target: Target) -> None:
    with Trainer.register(target) as trainer:
        for name in ("a", "b", "c"):
            trainer.say(**samples(*_VALUES[:50], name=name))
        trainer.until_durable()
        found = _queried(target, trainer.run_id, "c", "none", "a", max_points=10)
        assert [each.metric_name for each in found] == ["c", "none", "a"]
        assert [len(each.minimums) <= 10 for each in found] == [True] * 3
        assert (found[1].sample_count, list(found[1].minimums)) == (0, [])


@requirement("CAT-TEL-034", "CAT-TEL-033")
@pytest.mark.parametrize("points", [1, 2, 7, 100, 499])
def test_the_extremes_survive_however_few_points_are_asked_for(target: Target, points: int) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(**samples(*_VALUES))
        trainer.until_durable()
        (series,) = _queried(target, trainer.run_id, "loss", max_points=points)
        assert 0 < len(series.minimums) <= points
        assert len(series.global_steps) == len(series.minimums)
        assert min(series.minimums) == min(_VALUES)
        assert max([*series.maximums, *series.minimums]) == max(_VALUES)
        assert series.sample_count == _COUNT
        steps = list(series.global_steps)
        assert steps == sorted(set(steps))


@requirement("CAT-TEL-035")
def test_a_series_that_fits_holds_each_sample_as_it_was_logged(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(**samples(*_VALUES))
        trainer.until_durable()
        (series,) = _queried(target, trainer.run_id, "loss", max_points=_COUNT)
        assert list(series.minimums) == _VALUES
        assert list(series.global_steps) == list(range(1, _COUNT + 1))
        assert (series.samples_per_point, list(series.maximums)) == (1, [])


@requirement("CAT-TEL-033")
def test_a_range_of_steps_holds_its_ends(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(**samples(*_VALUES))
        trainer.until_durable()
        (series,) = _queried(target, trainer.run_id, "loss", from_step=10, to_step=19)
        assert list(series.global_steps) == list(range(10, 20))
        assert list(series.minimums) == _VALUES[9:19]


@requirement("CAT-TEL-019")
def test_values_that_are_no_numbers_come_back_as_they_came(target: Target) -> None:
    with Trainer.register(target) as trainer:
        trainer.say(**samples(1.0, math.nan, math.inf, -math.inf, 2.0))
        trainer.until_durable()
        (series,) = _queried(target, trainer.run_id, "loss")
        values = list(series.minimums)
        assert math.isnan(values[1])
        assert [values[0], *values[2:]] == [1.0, math.inf, -math.inf, 2.0]


@requirement("CAT-TEL-033")
def test_metrics_of_a_run_that_there_is_not_are_not_found(target: Target) -> None:
    request = QueryMetricsRequest(run_id=target.unique("nobody"), metric_names=["loss"])
    rpcs.QUERY_METRICS.refused(target, request, reason="RUN_NOT_FOUND")
