import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { overhang, seriousFaults } from "./harness/accessibility.ts";
import { PHONE, startBrowser, Tab, type Theme } from "./harness/browser.ts";
import { keepPicture } from "./harness/pictures.ts";
import { Server } from "./harness/server.ts";
import { startTraining, type Training } from "./harness/training.ts";

const THEMES: readonly Theme[] = ["light", "dark"];

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([startBrowser(), Server.start()]);
});

afterAll(async () => {
  await browser.close();
  await server.remove();
});

describe("the page of runs, without a run", () => {
  test.each(THEMES)("says what to run next, and copies it (%s)", async (theme) => {
    const tab = await Tab.open(browser, server.url, { theme });
    const { page } = tab;
    await page.getByRole("heading", { name: "No training has reported yet" }).waitFor();
    await page.getByRole("button", { name: "Copy the command" }).first().click();
    await page.getByText("Copied", { exact: true }).waitFor({ state: "attached" });
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("catenary train");
    expect(await seriousFaults(page)).toEqual([]);
    await keepPicture(page, `runs-empty-${theme}`);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });
});

describe("the page of runs", () => {
  let live: Training;
  let finished: Training;
  let failed: Training;

  beforeAll(async () => {
    live = await startTraining(server, "--name", "live", "--tag", "team=vision", "--tag", "data=patterns");
    finished = await startTraining(server, "--name", "finished", "--epochs", "3", "--per-second", "200", "--tag", "team=audio");
    failed = await startTraining(server, "--name", "failed", "--fail", "--per-second", "200");
    await Promise.all([finished.program.ended(), failed.program.ended()]);
  });

  afterAll(() => live.program.stop("SIGKILL"));

  test("shows live, finished and failed runs by words, and follows what happens", async () => {
    const tab = await Tab.open(browser, server.url);
    const { page } = tab;
    const row = (training: Training) => page.getByRole("row").filter({ hasText: training.runId });
    await row(live).getByText("Running", { exact: true }).waitFor();
    await row(finished).getByText("Completed", { exact: true }).waitFor();
    await row(failed).getByText("Failed", { exact: true }).waitFor();
    await row(failed).getByText("the loss is no number any more").waitFor();
    const late = await startTraining(server, "--name", "late");
    await row(late).getByText("Running", { exact: true }).waitFor();
    await late.program.stop("SIGINT");
    await row(late).getByText("Cancelled", { exact: true }).waitFor();
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("finds runs by group, words and tags, and sorts them", async () => {
    const tab = await Tab.open(browser, server.url);
    const { page } = tab;
    const names = () => page.getByRole("rowheader").getByRole("link").allTextContents();
    await page.getByRole("link", { name: live.runId }).waitFor();
    await page.getByText("Failed 1", { exact: true }).click();
    await expect.poll(names).toEqual([failed.runId]);
    await page.getByText(/^All \d/).click();
    await page.getByRole("searchbox", { name: "Search runs and tags" }).fill("FINISHED gradient");
    await expect.poll(names).toEqual([]);
    await page.getByRole("searchbox").fill("FINISHED softmax");
    await expect.poll(names).toEqual([finished.runId]);
    await page.getByRole("searchbox").fill("nothing like this");
    await page.getByRole("button", { name: /Show all \d runs/ }).click();
    await page.getByRole("button", { name: "team=vision" }).click();
    await expect.poll(names).toEqual([live.runId]);
    await page.getByRole("searchbox").fill("");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect.poll(names).toEqual([...(await names())].sort());
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await expect.poll(names).toEqual([...(await names())].sort().reverse());
    await tab.close();
  });

  test("takes two runs or more to compare", async () => {
    const tab = await Tab.open(browser, server.url);
    const { page } = tab;
    const compare = page.getByRole("button", { name: "Compare" });
    await page.getByRole("checkbox", { name: `Select ${live.runId}` }).check();
    expect(await compare.isDisabled()).toBe(true);
    await page.getByRole("checkbox", { name: `Select ${finished.runId}` }).check();
    await compare.click();
    await page.waitForURL(/\/compare\?runs=/);
    expect(decodeURIComponent(page.url()).split("runs=")[1]?.split(",").sort()).toEqual([finished.runId, live.runId].sort());
    await tab.close();
  });

  test("deletes a run that ended after asking, and no live one", async () => {
    const gone = await startTraining(server, "--name", "gone", "--epochs", "1", "--batches", "5");
    await gone.program.ended();
    const tab = await Tab.open(browser, server.url);
    const { page } = tab;
    const remove = page.getByRole("button", { name: "Delete", exact: true });
    await page.getByRole("checkbox", { name: `Select ${live.runId}` }).check();
    expect(await remove.isDisabled()).toBe(true);
    expect(await remove.getAttribute("title")).toContain("is being written to");
    await page.getByRole("checkbox", { name: `Select ${live.runId}` }).uncheck();
    await page.getByRole("checkbox", { name: `Select ${gone.runId}` }).check();
    await remove.click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("link", { name: gone.runId }).waitFor();
    await remove.click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("link", { name: gone.runId }).waitFor({ state: "detached" });
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test.each(THEMES)("has no serious fault of accessibility (%s)", async (theme) => {
    const tab = await Tab.open(browser, server.url, { theme });
    await tab.page.getByRole("link", { name: live.runId }).waitFor();
    await tab.page.getByRole("img", { name: /^Loss, last/ }).first().waitFor();
    expect(await seriousFaults(tab.page)).toEqual([]);
    await keepPicture(tab.page, `runs-${theme}`);
    await tab.close();
  });

  test.each(THEMES)("fits a phone (%s)", async (theme) => {
    const tab = await Tab.open(browser, server.url, { theme, size: PHONE });
    await tab.page.getByRole("link", { name: live.runId }).waitFor();
    expect(await overhang(tab.page)).toBe(0);
    expect(await seriousFaults(tab.page)).toEqual([]);
    await keepPicture(tab.page, `runs-phone-${theme}`);
    await tab.close();
  });

  test("goes by the keyboard from the skip link to a run and back", async () => {
    const tab = await Tab.open(browser, server.url);
    const { page } = tab;
    await page.getByRole("link", { name: live.runId }).waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent.trim())).toBe("Skip to content");
    await page.getByRole("link", { name: live.runId }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: live.runId, level: 1 }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Runs", level: 1 }).waitFor();
    await tab.close();
  });

  test("keeps the theme that was chosen", async () => {
    const tab = await Tab.open(browser, server.url, { theme: "light" });
    const { page } = tab;
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await ground();
    await page.getByRole("button", { name: /^Theme: as the system/ }).click();
    await page.getByRole("button", { name: /^Theme: light/ }).click();
    await page.getByRole("button", { name: /^Theme: dark/ }).waitFor();
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    await page.getByRole("button", { name: /^Theme: dark/ }).waitFor();
    expect(await ground()).toBe(dark);
    await tab.close();
  });
});
