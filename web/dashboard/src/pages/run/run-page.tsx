import type { JSX } from "preact";
import type { PageProps } from "../../app/router";

export function RunPage({ params }: PageProps): JSX.Element {
  return <h1>{params["id"]}</h1>;
}
