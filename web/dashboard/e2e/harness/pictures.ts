/** Pictures of the pages, where `CATENARY_PICTURES` names a folder for them. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";

const QUALITY = 82;

/** Keep a picture of a page, or of all of it, under a name such as `run-dark`; as WebP, since repositories keep them. */
export async function keepPicture(page: Page, name: string, { whole = false } = {}): Promise<void> {
  const folder = process.env["CATENARY_PICTURES"];
  if (folder === undefined || folder === "") {
    return;
  }
  await mkdir(folder, { recursive: true });
  if (whole) {
    await page.evaluate(() => window.scrollTo(0, 0)); // or the head would stand in the middle of the picture
  }
  const browser = await page.context().newCDPSession(page);
  const { cssContentSize, cssVisualViewport } = await browser.send("Page.getLayoutMetrics");
  const { clientWidth: width, clientHeight, pageX: x, pageY } = cssVisualViewport;
  const [y, height] = whole ? [0, cssContentSize.height] : [pageY, clientHeight];
  const { data } = await browser.send("Page.captureScreenshot", {
    format: "webp",
    quality: QUALITY,
    captureBeyondViewport: whole,
    clip: { x, y, width, height, scale: 1 },
  });
  await browser.detach();
  await writeFile(join(folder, `${name}.webp`), Buffer.from(data, "base64"));
}
