import type { JSX } from "preact";
import { Link } from "./router";

/** Nothing is at this address. */
export function NotFoundPage(): JSX.Element {
  return (
    <section class="page">
      <h1>Nothing is here</h1>
      <p>
        There is no page at this address. <Link href="/">All runs</Link>
      </p>
    </section>
  );
}
