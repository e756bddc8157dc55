"""A session on the server to look at: trains a pipeline, and keeps the session open until it is killed.

Prints the id of the session once it is open, and `trained` when its training is over. The scene is San Diego of the
folder in CATENARY_SCENES, or else a generated one; it is left as scene.npz in the folder that is given. `--attach SESSION`
trains in a session that is there, and ends.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

from catenary_client import Client, Session
from catenary_scenes import Scene, SceneSpec, generate_scene, read_scene, write_scene


def scene() -> Scene:
    """The scene to train on."""
    real = os.environ.get("CATENARY_SCENES", "")
    return read_scene(Path(real) / "san_diego.mat") if real else generate_scene(SceneSpec(seed=3))


def train(session: Session, phases: list[str]) -> None:
    """Train these phases, to their end."""
    for phase in phases:
        for _ in session.train("statistical" if phase == "statistical" else "gradient"):
            pass
    print("trained", flush=True)


def main() -> None:
    """Open a session, train, and wait."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where the scene is left; a data root of the server")
    parser.add_argument("--attach", default="", help="train in this session")
    parser.add_argument("--trainrun", default="deep_svdd")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--phases", nargs="*", default=["statistical", "gradient"])
    options = parser.parse_args()
    with Client(options.server) as client:
        if options.attach:
            train(client.attach(options.attach), options.phases)
            return
        path = options.folder / "scene.npz"
        write_scene(path, scene())
        overrides = ["data=file", f"data.path={path}", f"training.trainer.max_epochs={options.epochs}"]
        with client.session(labels=dict(label.split("=", 1) for label in options.label)) as session:
            session.set_trainrun(session.resolve("trainrun", options.trainrun, overrides=overrides))
            print(session.session_id, flush=True)
            train(session, options.phases)
            signal.pause()


if __name__ == "__main__":
    main()
