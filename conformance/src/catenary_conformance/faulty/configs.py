"""Faults of configurations: found, composed, checked and described."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    accepts,
    answers,
    answers_to,
    drop_last,
    hears,
    invalid,
    late,
    put,
    refuses,
    relays,
    rename_each,
    says,
)
from catenary_conformance.faulty.exchange import INVALID_ARGUMENT, NOT_FOUND, refusal
from catenary_conformance.faulty.messages import path
from catenary_conformance.faulty.mutant import mutant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from catenary_conformance.faulty.caller import Heard
    from catenary_conformance.faulty.exchange import Answer, Exchange, Fields, Forward
    from catenary_conformance.faulty.mutant import Witness
    from catenary_conformance.faulty.stand import Stand


def as_json(content: bytes, **changes: object) -> bytes:
    """The canonical JSON of an object with some keys changed."""
    return json.dumps(json.loads(content) | changes, sort_keys=True, separators=(",", ":")).encode()


def other_order(exchange: Exchange, messages: Iterator[Fields]) -> Iterator[Fields]:
    """Every second answer has its keys in another order."""
    for message in messages:
        if exchange.memory.count("answers") % 2 == 0:
            fields = json.loads(message.config_bytes)
            message.config_bytes = json.dumps(dict(reversed(fields.items())), separators=(",", ":")).encode()
        yield message


def forgets_an_override(request: Fields) -> None:
    """The last override by the index of a node is not made."""
    indexed = [number for number, each in enumerate(request.overrides) if _by_index(each)]
    if indexed:
        del request.overrides[indexed[-1]]


def touches_another_key(request: Fields, response: Fields) -> None:
    """Where something is overridden, the name changes as well."""
    if request.overrides and request.config_type == "trainrun":
        response.config_bytes = as_json(response.config_bytes, name="overridden")


def strips_schema(response: Fields) -> None:
    """The schema demands what no configuration has."""
    schema = json.loads(response.json_schema)
    schema["required"] = [*schema.get("required", []), "signature"]
    response.json_schema = json.dumps(schema)


def finds_nothing(response: Fields) -> None:
    """A faulty configuration is called good."""
    response.valid = True
    del response.errors[:]
    del response.violations[:]


def artifacts_first(exchange: Exchange, forward: Forward) -> Answer:
    """What a session saves is saved under a second name as well, and found by the first before all else."""
    request = exchange.first()
    if exchange.method == path("SavePipeline"):
        name = _plain(request.pipeline_path)
        copy = exchange.decoded(request.SerializeToString())
        copy.pipeline_path, copy.request_id = f"{name}-first", ""
        exchange.call(exchange.method, copy)
        exchange.memory.put(name, copy.pipeline_path)
        return forward(exchange)
    saved = exchange.memory.get(_plain(request.path))
    if saved is None or request.config_type != "pipeline":
        return forward(exchange)
    return hears(put("path", saved))(exchange, forward)


def _plain(path_of_file: str) -> str:
    return path_of_file.removesuffix(".yaml").removeprefix("pipeline/")


def empty_config(exchange: Exchange) -> list[Message]:
    """A configuration without anything in it."""
    response = exchange.response()
    response.config_bytes = b"{}"
    return [response]


def _by_index(override: str) -> bool:
    key = override.partition("=")[0].split(".")
    return any(part.isdigit() for part in key)


# Witnesses.


def resolve(stand: Stand, session: str, path: str, *overrides: str, config_type: str = "trainrun") -> Heard:
    """Ask for a configuration through the proxy."""
    return stand.call("ResolveConfig", session_id=session, config_type=config_type, path=path, overrides=overrides)


def resolved_with(*overrides: str, trainrun: str = "rx") -> Witness:
    """A witness: what becomes of a trainrun with these overrides."""

    def witness(stand: Stand) -> object:
        heard = resolve(stand, stand.session(), trainrun, *overrides)
        return heard.outcome if heard.status.code else json.loads(heard.answer.config_bytes)

    return witness


OVERRIDDEN = resolved_with("training.seed=7", "pipeline.nodes.2.params.n_components=5", trainrun="deep_svdd")


def listed(stand: Stand) -> object:
    """All files by their pages, and whether each resolves as listed."""
    session, token, files = stand.session(), "", list[tuple[str, str]]()
    while True:
        page = stand.call("ListConfigs", session_id=session, page_size=3, page_token=token).answer
        files += [(each.config_type, each.path) for each in page.configs]
        token = page.next_page_token
        if not token:
            break
    kinds = [stand.direct("ResolveConfig", session_id=session, config_type=kind, path=path) for kind, path in files]
    return len(files), sorted({each.outcome for each in kinds})


def resolved_twice(stand: Stand) -> object:
    session = stand.session()
    one, two = (resolve(stand, session, "rx").answer.config_bytes for _ in range(2))
    return one == two


def sources(stand: Stand) -> object:
    answer = resolve(stand, stand.session(), "rx").answer
    return sorted(each.path for each in answer.source_files)


def spellings(stand: Stand) -> object:
    session = stand.session()
    return [resolve(stand, session, path).outcome for path in ("rx", "rx.yaml", "trainrun/rx", "trainrun/rx.yaml")]


def search_order(stand: Stand) -> object:
    """Whether a file of the roots or the one that the session saved in the artifact root is found."""
    session = stand.ready()
    stand.call("SavePipeline", session_id=session, pipeline_path="pipeline/rx")
    answer = resolve(stand, session, "pipeline/rx", config_type="pipeline").answer
    return json.loads(answer.config_bytes)["metadata"]["name"]


def refusals(stand: Stand) -> object:
    """What is said about configurations that cannot be had."""
    session = stand.session()
    asked = {
        "forbidden": ("rx", "+pipeline._target_=os.system"),
        "resolver": ("rx", "name=${oc.env:HOME}"),
        "outside": ("../../etc/passwd",),
        "missing": ("nothing_of_the_kind",),
        "malformed": ("rx", "=="),
        "broken": ("rx", "training.trainer.max_epochs=many"),
    }
    return {name: _told(resolve(stand, session, *each)) for name, each in asked.items()}


def too_complex(stand: Stand) -> object:
    """Whether a refusal of something without measure comes within two seconds, or what it is."""
    session, began = stand.session(), time.monotonic()
    heard = resolve(stand, session, "rx", "name=" + "[" * 500 + "]" * 500)
    return heard.outcome, time.monotonic() - began < 2.5


def _told(heard: Heard) -> object:
    return heard.outcome, heard.status.fields


def checked(stand: Stand) -> object:
    """What ValidateConfig says of a good one, a bad one, and one of no known group."""
    session = stand.session()
    good = resolve(stand, session, "rx").answer.config_bytes
    bad = as_json(good, training={"trainer": {"max_epochs": "many"}})
    heard = [
        stand.call("ValidateConfig", config_type=kind, config_bytes=content)
        for kind, content in (("trainrun", good), ("trainrun", bad), ("nonsense", good))
    ]
    return [
        (
            each.outcome,
            bool(each.messages and each.answer.valid),
            [v.key_path for m in each.messages for v in m.violations],
        )
        for each in heard
    ]


def schemas(stand: Stand) -> object:
    known = stand.call("GetParameterSchema", config_type="trainrun").answer.json_schema
    return json.loads(known).get("required"), stand.call("GetParameterSchema", config_type="nonsense").outcome


GROUPS = ("pipeline", "trainrun", "data", "training", "optimizer", "scheduler", "callbacks")

MUTANTS = (
    mutant(
        "CFG-001",
        "lists-files-that-are-not-there",
        "ListConfigs",
        "The list names files by paths that do not resolve.",
        answers(rename_each("configs", "path", "old/{}".format)),
        listed,
    ),
    mutant(
        "CFG-002",
        "skips-at-the-edge-of-a-page",
        "ListConfigs",
        "The last file of each page but the last is left out.",
        answers(lambda response: response.next_page_token and drop_last("configs")(response)),
        listed,
    ),
    mutant(
        "CFG-003",
        "artifacts-first",
        ["SavePipeline", "ResolveConfig"],
        "What was saved hides what the roots hold.",
        artifacts_first,
        search_order,
    ),
    mutant(
        "CFG-004",
        "any-order-of-keys",
        "ResolveConfig",
        "The same configuration comes in another order of keys.",
        relays(other_order),
        resolved_twice,
    ),
    mutant(
        "CFG-005",
        "ignores-overrides-by-index",
        "ResolveConfig",
        "An override that names a node by its index is not made.",
        hears(forgets_an_override),
        OVERRIDDEN,
    ),
    mutant(
        "CFG-005",
        "overrides-another-key-too",
        "ResolveConfig",
        "An override changes the name of the trainrun as well.",
        answers_to(touches_another_key),
        OVERRIDDEN,
    ),
    mutant(
        "CFG-006",
        "names-the-first-source-only",
        "ResolveConfig",
        "Of the files that took part only the first is named.",
        answers(lambda response: response.source_files.__delitem__(slice(1, None))),
        sources,
    ),
    mutant(
        "CFG-007",
        "takes-targets",
        "ResolveConfig",
        "A key that names code is passed over in silence.",
        accepts("CONFIG_TARGET_FORBIDDEN", answer=empty_config),
        refusals,
    ),
    mutant(
        "CFG-008",
        "takes-resolvers",
        "ResolveConfig",
        "A resolver is passed over in silence.",
        accepts("CONFIG_RESOLVER_FORBIDDEN", answer=empty_config),
        refusals,
    ),
    mutant(
        "CFG-009",
        "thinks-for-long",
        "ResolveConfig",
        "A configuration without measure is refused after three seconds.",
        late(3, "CONFIG_TOO_COMPLEX"),
        too_complex,
    ),
    mutant(
        "CFG-010",
        "calls-paths-outside-missing",
        "ResolveConfig",
        "A path that leaves the roots is called not found.",
        says("PATH_INVALID", instead=refusal(NOT_FOUND, "CONFIG_NOT_FOUND")),
        refusals,
    ),
    mutant(
        "CFG-011",
        "calls-missing-invalid",
        "ResolveConfig",
        "A file that is not there is called an invalid path.",
        says("CONFIG_NOT_FOUND", instead=invalid("PATH_INVALID", field_path="path")),
        refusals,
    ),
    mutant(
        "CFG-012",
        "passes-over-malformed-overrides",
        "ResolveConfig",
        "A malformed override has no effect.",
        accepts("OVERRIDE_SYNTAX", answer=empty_config),
        refusals,
    ),
    mutant(
        "CFG-013",
        "knows-no-suffix",
        "ResolveConfig",
        "A file that is named with its suffix alone is not found.",
        refuses(
            refusal(NOT_FOUND, "CONFIG_NOT_FOUND"), when=lambda request: re.fullmatch(r"[^/]+\.yaml", request.path)
        ),
        spellings,
    ),
    mutant(
        "CFG-014",
        "does-not-name-the-key",
        "ResolveConfig",
        "A result that breaks its schema is refused without a key path.",
        says("CONFIG_INVALID", instead=refusal(INVALID_ARGUMENT, "CONFIG_INVALID")),
        refusals,
    ),
    mutant(
        "CFG-015", "finds-no-fault", "ValidateConfig", "Every configuration is valid.", answers(finds_nothing), checked
    ),
    mutant(
        "CFG-016",
        "does-not-say-where",
        "ValidateConfig",
        "Violations do not name their key.",
        answers(lambda response: [each.ClearField("key_path") for each in response.violations]),
        checked,
    ),
    mutant(
        "CFG-017",
        "refuses-unknown-groups",
        "ValidateConfig",
        "A configuration of no known group is refused.",
        refuses(invalid(field_path="config_type"), when=lambda request: request.config_type not in GROUPS),
        checked,
    ),
    mutant(
        "CFG-018",
        "schema-no-configuration-meets",
        "GetParameterSchema",
        "The schema demands a key that nothing has.",
        answers(strips_schema),
        schemas,
    ),
    mutant(
        "CFG-019",
        "schema-of-anything",
        "GetParameterSchema",
        "An unknown group has an empty schema.",
        accepts("FIELD_INVALID"),
        schemas,
    ),
)
