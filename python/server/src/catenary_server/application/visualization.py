"""Drawings of pipelines: of a session's, or of one that was only written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary_server.domain.graph import check_graph

if TYPE_CHECKING:
    from catenary_server.application.session import Session
    from catenary_server.domain.config_source import ConfigSource
    from catenary_server.domain.drawing import DrawingFormat, GraphDrawer
    from catenary_server.domain.runtime import Catalog


class Visualizations:
    """Draws pipelines. Builds nothing and changes nothing."""

    def __init__(self, *, catalog: Catalog, configs: ConfigSource, drawer: GraphDrawer) -> None:
        self._catalog = catalog
        self._configs = configs
        self._drawer = drawer

    async def of_session(self, session: Session, drawing_format: DrawingFormat) -> bytes:
        """Draw the session's pipeline.

        Raises:
            Failure: STATE_INVALID without one, CONFIG_TOO_COMPLEX.
        """
        pipeline = session.require_pipeline()
        return await self._drawer.draw(pipeline.graph, pipeline.config.metadata.name, drawing_format)

    async def of_definition(self, content: bytes, drawing_format: DrawingFormat) -> bytes:
        """Draw a definition, YAML or JSON, once it is found to be a pipeline of this server's node types.

        Raises:
            Failure: CONFIG_INVALID and the forbidden constructs, NODE_TYPE_UNKNOWN, GRAPH_INVALID, CONFIG_TOO_COMPLEX.
        """
        config = self._configs.read_pipeline(content)
        graph = check_graph(config, self._catalog.nodes)
        return await self._drawer.draw(graph, config.metadata.name, drawing_format)
