"""Faults of what a server says that it offers."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from catenary_conformance.faulty.behaviours import (
    answers,
    drop,
    drop_last,
    hears,
    refuses,
    says,
    where,
)
from catenary_conformance.faulty.exchange import (
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
    Answer,
    ended,
    refusal,
    refused,
)
from catenary_conformance.faulty.good_server import SESSIONS_OF_ONE_PRINCIPAL
from catenary_conformance.faulty.mutant import mutant
from catenary_conformance.faulty.stand import nonce

if TYPE_CHECKING:
    from catenary_conformance.faulty.behaviours import Edit
    from catenary_conformance.faulty.exchange import Behaviour, Exchange, Fields, Forward
    from catenary_conformance.faulty.stand import Stand

_UNCLAIMED = "visualization"


def without_capability(response: Fields) -> None:
    """One capability is not claimed, although it works."""
    kept = [each for each in response.capabilities if each.name != _UNCLAIMED]
    del response.capabilities[:]
    response.capabilities.extend(kept)


def refused_when_full(exchange: Exchange, forward: Forward) -> Answer:
    """A principal that has all the sessions it may have is not told anything."""
    contents, status = ended(forward(exchange))
    for content in contents:
        seats = exchange.response(content).limits.sessions.principal
        if seats.total and seats.used >= seats.total:
            return refused(refusal(RESOURCE_EXHAUSTED, "QUOTA_RPCS"))
    return Answer(iter(contents), lambda: status)


def reversed_page(items: str) -> Edit:
    """An edit: the entries of a page in reverse order."""

    def edit(response: Fields) -> None:
        entries = getattr(response, items)
        kept = [type(each).FromString(each.SerializeToString()) for each in reversed(entries)]
        del entries[:]
        entries.extend(kept)

    return edit


def trims_text(response: Fields) -> None:
    """The text of a file loses the end of its last line."""
    response.pipeline_info.yaml_content = response.pipeline_info.yaml_content.rstrip()


def lists_a_phantom(items: str, field: str) -> Behaviour:
    """The last of all that is listed has a name that nothing has."""

    def edit(response: Fields) -> None:
        entries = getattr(response, items)
        if entries and not response.next_page_token:
            setattr(entries[-1], field, f"{getattr(entries[-1], field)}-phantom")

    return answers(edit)


# Witnesses.


def server(stand: Stand) -> object:
    """What the server claims, whether its epoch stays, and whether a drawing is to be had."""
    one, two = (stand.call("GetServerInfo").answer for _ in range(2))
    drawn = stand.call("GetPipelineVisualization", format="dot", config_content='{"nodes": []}').outcome
    return sorted(each.name for each in one.capabilities), one.server_epoch == two.server_epoch, drawn


def when_full(stand: Stand) -> object:
    for _ in range(SESSIONS_OF_ONE_PRINCIPAL):
        stand.direct("CreateSession")
    return stand.call("GetServerInfo").outcome


def pipelines(stand: Stand) -> object:
    """What is listed by pages, by a tag and by a tag that there is not, and whether each is described as it is.

    Held against what is heard past the proxy, since what is saved on the server changes the list.
    """
    both = (stand.call, stand.direct)
    names = [each.pipeline_path for page in _paged(stand, "ListAvailablePipelines", "pipelines") for each in page]
    whole = stand.direct("ListAvailablePipelines", page_size=1000).answer.pipelines
    tagged, untagged = (
        [len(each("ListAvailablePipelines", page_size=1000, filter_tag=tag).answer.pipelines) for each in both]
        for tag in ("unsupervised", nonce())
    )
    described = [each("GetPipelineInfo", pipeline_path=names[0]).messages for each in both]
    outside = stand.call("GetPipelineInfo", pipeline_path="../../etc/passwd").outcome
    same = names == [each.pipeline_path for each in whole], tagged[0] == tagged[1], described[0] == described[1]
    return same, untagged, outside


def nodes(stand: Stand) -> object:
    return [each.class_name for page in _paged(stand, "ListAvailableNodes", "nodes") for each in page]


def capabilities(stand: Stand) -> object:
    return list(stand.call("GetTrainingCapabilities").answer.supported_optimizers)


def _paged(stand: Stand, method: str, items: str) -> list[list[Fields]]:
    pages: list[list[Fields]] = []
    token = ""
    while True:
        page = stand.call(method, page_size=2, page_token=token).answer
        pages.append(list(getattr(page, items)))
        token = page.next_page_token
        if not token:
            return pages


MUTANTS = (
    mutant(
        "DIS-001",
        "works-unclaimed",
        "GetServerInfo",
        "A capability that works is not claimed.",
        answers(without_capability),
        server,
    ),
    mutant(
        "DIS-001",
        "claimed-and-not-there",
        "GetPipelineVisualization",
        "A capability that is claimed is not there.",
        refuses(refusal(UNIMPLEMENTED, "FEATURE_DISABLED")),
        server,
    ),
    mutant(
        "DIS-002",
        "refused-when-full",
        "GetServerInfo",
        "A principal with all its sessions is refused.",
        refused_when_full,
        when_full,
    ),
    mutant(
        "DIS-003",
        "skips-at-the-edge-of-a-page",
        "ListAvailablePipelines",
        "The last pipeline of each page but the last is left out.",
        answers(lambda response: response.next_page_token and drop_last("pipelines")(response)),
        pipelines,
    ),
    mutant(
        "DIS-003",
        "backwards",
        "ListAvailablePipelines",
        "Pipelines of a page come in reverse order.",
        answers(reversed_page("pipelines")),
        pipelines,
    ),
    mutant(
        "DIS-004",
        "ignores-tags",
        "ListAvailablePipelines",
        "Pipelines are listed whatever tag is asked for.",
        hears(drop("filter_tag")),
        pipelines,
    ),
    mutant(
        "DIS-005",
        "lists-what-is-not-there",
        "ListAvailablePipelines",
        "The list ends with a pipeline that there is not.",
        where(lambda request: not request.filter_tag, lists_a_phantom("pipelines", "pipeline_path")),
        pipelines,
    ),
    mutant(
        "DIS-006",
        "trims-text",
        "GetPipelineInfo",
        "The text of a file comes without its last end of line.",
        answers(trims_text),
        pipelines,
    ),
    mutant(
        "DIS-007",
        "outside-is-missing",
        "GetPipelineInfo",
        "A path out of the roots is called not found.",
        says("PATH_INVALID", instead=refusal(NOT_FOUND, "CONFIG_NOT_FOUND")),
        pipelines,
    ),
    mutant(
        "DIS-008",
        "skips-at-the-edge-of-a-page",
        "ListAvailableNodes",
        "The last node type of each page but the last is left out.",
        answers(lambda response: response.next_page_token and drop_last("nodes")(response)),
        nodes,
    ),
    mutant(
        "DIS-009",
        "lists-a-phantom",
        "ListAvailableNodes",
        "A node type is listed that there is not.",
        lists_a_phantom("nodes", "class_name"),
        nodes,
    ),
    mutant(
        "DIS-011",
        "lists-an-optimizer-too-many",
        "GetTrainingCapabilities",
        "An optimizer is listed that no training may use.",
        answers(lambda response: response.supported_optimizers.append("lion")),
        capabilities,
    ),
    mutant(
        "DIS-012",
        "another-epoch-each-time",
        "GetServerInfo",
        "The epoch of the server changes from call to call.",
        answers(lambda response: setattr(response, "server_epoch", secrets.token_hex(8))),
        server,
    ),
)
