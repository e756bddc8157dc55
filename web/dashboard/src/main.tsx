/** The dashboard: shows what trainings report to a Catenary server, and steers them. */
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import { render } from "preact";
import { NotFoundPage } from "./app/not-found-page";
import { followHistory, Routed } from "./app/router";
import { ROUTES } from "./app/routes";
import { Shell } from "./app/shell";
import { startTheme } from "./app/theme";
import { startWorker } from "./rpc/port";
import { storedToken } from "./rpc/token";

startTheme();
followHistory();
startWorker(storedToken());
const root = document.getElementById("app");
if (root !== null) {
  render(
    <Shell>
      <Routed routes={ROUTES} missing={NotFoundPage} />
    </Shell>,
    root,
  );
}
