/** Pictures of the pages, where `CATENARY_PICTURES` names a folder for them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";

/** Keep a picture of a page under a name such as `run-dark`. */
export async function keepPicture(page: Page, name: string, { whole = false } = {}): Promise<void> {
  const folder = process.env["CATENARY_PICTURES"];
  if (folder !== undefined && folder !== "") {
    await mkdir(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: whole });
  }
}
