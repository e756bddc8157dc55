import subprocess
import sys
from pathlib import Path

import pytest

from catenary_server.configuration.child import ChildLimits, compose_in_child
from catenary_server.configuration.request import CompositionRequest
from catenary_server.domain.config_source import SourceFile
from catenary_server.domain.failure import Failure, Reason

REFERENCES = "\n".join(
    ["a0: [1,1,1,1,1,1,1,1,1,1]"]
    + [f"a{level}: [" + ",".join([f'"${{a{level - 1}}}"'] * 10) + "]" for level in range(1, 9)]
)
TEXTS = "\n".join(
    ["a0: xxxxxxxxxxxxxxxx"] + [f'a{level}: "' + "".join([f"${{a{level - 1}}}"] * 10) + '"' for level in range(1, 9)]
)
LIMITS = ChildLimits(cpu_s=0.5, memory_bytes=128 << 20)


def request(configs: Path, path: str) -> CompositionRequest:
    return CompositionRequest(
        config_type="pipeline", path=path, overrides=(), search_paths=(configs,), roots=(configs,)
    )


def test_a_composition_comes_back_from_the_child(configs: Path) -> None:
    content, files = compose_in_child(request(configs, "rx"), ChildLimits())
    assert '"RXGlobal"' in content
    assert files == (SourceFile("pipeline/rx.yaml", str(configs)),)


def test_a_failure_comes_back_from_the_child_with_all_it_says(configs: Path) -> None:
    with pytest.raises(Failure) as caught:
        compose_in_child(request(configs, "nope"), ChildLimits())
    assert caught.value.reason is Reason.CONFIG_NOT_FOUND
    assert caught.value.resource is not None
    assert caught.value.resource.name == "pipeline/nope"


@pytest.mark.parametrize("bomb", [REFERENCES, TEXTS, "defaults: [bomb]"], ids=["references", "texts", "itself"])
def test_a_composition_without_an_end_is_ended(configs: Path, bomb: str) -> None:
    (configs / "pipeline" / "bomb.yaml").write_text(bomb)
    with pytest.raises(Failure) as caught:
        compose_in_child(request(configs, "bomb"), LIMITS)
    assert caught.value.reason is Reason.CONFIG_TOO_COMPLEX


def test_a_composition_that_waits_is_ended_at_the_deadline(configs: Path) -> None:
    (configs / "pipeline" / "bomb.yaml").write_text(REFERENCES)
    with pytest.raises(Failure) as caught:
        compose_in_child(request(configs, "bomb"), ChildLimits(cpu_s=60, memory_bytes=1 << 30, wall_s=0.1))
    assert caught.value.reason is Reason.CONFIG_TOO_COMPLEX


def test_the_front_end_never_imports_what_composes() -> None:
    program = (
        "import sys, catenary_server.configuration.source\n"
        "print([name for name in ('hydra', 'omegaconf', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
