import type { Browser, Page } from "playwright-core";
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

const chart = (page: Page, metric: string) => page.getByRole("region", { name: metric, exact: true });
const table = (page: Page) => page.getByRole("table");
const row = (page: Page, name: string) => table(page).getByRole("row").filter({ has: page.getByRole("rowheader", { name }) });

test.each(THEMES)("without a run the page says what to run (%s)", async (theme) => {
  const tab = await Tab.open(browser, `${server.url}compare`, { theme });
  await tab.page.getByRole("heading", { name: "There is nothing to compare yet" }).waitFor();
  await tab.page.getByRole("button", { name: "Copy the command" }).first().click();
  expect(await tab.page.evaluate(() => navigator.clipboard.readText())).toContain("nox -s demo");
  expect(await seriousFaults(tab.page)).toEqual([]);
  expect(tab.faults).toEqual([]);
  await tab.close();
});

describe("runs side by side", () => {
  let slow: Training;
  let fast: Training;
  let live: Training;
  let both: string;

  beforeAll(async () => {
    const finished = ["--epochs", "6", "--per-second", "150", "--batches", "40"];
    slow = await startTraining(server, ...finished, "--name", "slow", "--learning-rate", "0.002", "--tag", "team=vision");
    fast = await startTraining(server, ...finished, "--name", "fast", "--learning-rate", "0.02", "--tag", "team=audio");
    await Promise.all([slow.program.ended(), fast.program.ended()]);
    live = await startTraining(server, "--name", "live", "--per-second", "40", "--learning-rate", "0.01");
    both = `${server.url}compare?runs=${slow.runId},${fast.runId}`;
  });

  afterAll(() => live.program.stop("SIGKILL"));

  test("are chosen by search, and the address carries the choice", async () => {
    const tab = await Tab.open(browser, `${server.url}compare`);
    const { page } = tab;
    await page.getByRole("heading", { name: "Choose two runs or more" }).waitFor();
    const search = page.getByRole("searchbox", { name: "Search runs, models and tags" });
    await search.fill("team vision");
    await page.getByRole("checkbox", { name: new RegExp(slow.runId) }).check();
    expect(await page.getByRole("checkbox", { name: new RegExp(fast.runId) }).count()).toBe(0);
    await search.fill(fast.runId);
    await page.getByRole("checkbox", { name: new RegExp(fast.runId) }).check();
    await expect.poll(() => page.url()).toBe(both);
    await page.reload();
    await table(page).getByRole("columnheader", { name: new RegExp(slow.runId) }).waitFor();
    expect(await table(page).locator("thead th").count()).toBe(2);
    await page.getByRole("button", { name: /^Remove .*/ }).first().click();
    await expect.poll(() => page.url()).toBe(`${server.url}compare?runs=${fast.runId}`);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("have a curve each, that differ by more than colour, and are shown and hidden by the legend", async () => {
    const tab = await Tab.open(browser, both);
    const { page } = tab;
    const loss = chart(page, "validation_loss");
    const entry = loss.getByRole("list").getByRole("button", { name: new RegExp(slow.runId.slice(-6)) });
    await entry.waitFor();
    const dashes = await loss.locator("li svg path").evaluateAll((paths) => paths.map((path) => path.getAttribute("stroke-dasharray")));
    expect(new Set(dashes).size).toBe(2);
    const before = await loss.locator("canvas").screenshot();
    await entry.click();
    expect(await entry.getAttribute("aria-pressed")).toBe("false");
    await expect.poll(async () => (await loss.locator("canvas").screenshot()).equals(before)).toBe(false);
    await entry.click();
    await expect.poll(async () => (await loss.locator("canvas").screenshot()).equals(before)).toBe(true);
    await tab.close();
  });

  test("are smoothed, drawn over a logarithmic scale and over time, and zoomed by the keyboard", async () => {
    const tab = await Tab.open(browser, both);
    const { page } = tab;
    const loss = chart(page, "validation_loss");
    const canvas = loss.locator("canvas");
    await loss.getByRole("list").getByRole("button").nth(1).waitFor();
    const changes = async (act: () => Promise<unknown>): Promise<void> => {
      const before = await canvas.screenshot();
      await act();
      await expect.poll(async () => (await canvas.screenshot()).equals(before)).toBe(false);
    };
    await changes(() => loss.getByRole("slider", { name: /smoothing/ }).fill("0.9"));
    await changes(() => loss.getByRole("button", { name: "Log" }).click());
    await changes(() => loss.getByRole("group", { name: /validation_loss by step/ }).press("+"));
    await changes(() => loss.getByRole("group", { name: /validation_loss by step/ }).press("0"));
    await page.getByText("Time", { exact: true }).click();
    await loss.getByText("since the start").waitFor();
    expect(page.url()).toContain("x=time");
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("show the metrics that are asked for, and the address keeps them", async () => {
    const tab = await Tab.open(browser, both);
    const { page } = tab;
    await page.getByRole("checkbox", { name: "average_loss" }).check();
    await chart(page, "average_loss").waitFor();
    await page.getByRole("checkbox", { name: "validation_loss" }).uncheck();
    await expect.poll(() => page.url()).toContain("average_loss");
    expect(await chart(page, "validation_loss").count()).toBe(0);
    await tab.close();
  });

  test("have a table of settings and final metrics, of which only differences are shown if asked", async () => {
    const tab = await Tab.open(browser, both);
    const { page } = tab;
    await row(page, "learning rate").first().getByText("0.002").waitFor();
    await row(page, "learning rate").first().getByText("0.02", { exact: true }).waitFor();
    await row(page, "validation_loss").getByText("best:").waitFor({ state: "attached" });
    expect(await row(page, "validation_loss").getByText(/\(.\d+\.\d %\)/).count()).toBe(1);
    expect(await table(page).getByText("NaN").count()).toBe(0);
    await row(page, "optimizer").waitFor();
    await page.getByRole("checkbox", { name: /Only differences/ }).check();
    await expect.poll(() => row(page, "optimizer").count()).toBe(0);
    await row(page, "team").waitFor();
    await tab.close();
  });

  test("grow while one of them goes on", async () => {
    const tab = await Tab.open(browser, `${server.url}compare?runs=${fast.runId},${live.runId}&metrics=batch_loss`);
    const { page } = tab;
    await row(page, "status").getByText("Running").waitFor();
    const area = chart(page, "batch_loss").getByRole("group");
    const last = async (): Promise<string> => ((await area.getAttribute("aria-label")) ?? "").split(live.runId.slice(-6))[1] ?? "";
    await expect.poll(last).not.toBe("");
    const first = await last();
    await expect.poll(last, { timeout: 20_000 }).not.toBe(first);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("say which of them are not on this server", async () => {
    const tab = await Tab.open(browser, `${server.url}compare?runs=${fast.runId},nobody-knows-it`);
    await tab.page.getByRole("alert").getByText("nobody-knows-it").waitFor();
    await tab.close();
  });

  test.each(THEMES)("can be used by everybody (%s)", async (theme) => {
    const tab = await Tab.open(browser, `${both},${live.runId}`, { theme });
    await row(tab.page, "validation_loss").getByText("best:").waitFor({ state: "attached" });
    await expect.poll(() => seriousFaults(tab.page)).toEqual([]);
    await keepPicture(tab.page, `compare-${theme}`, { whole: true });
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("fit on a phone", async () => {
    const tab = await Tab.open(browser, both, { size: PHONE });
    await row(tab.page, "validation_loss").getByText("best:").waitFor({ state: "attached" });
    expect(await overhang(tab.page)).toBe(0);
    await tab.page.getByRole("button", { name: "Choose runs" }).click();
    await tab.page.getByRole("searchbox").waitFor();
    expect(await overhang(tab.page)).toBe(0);
    await keepPicture(tab.page, "compare-phone");
    await tab.close();
  });
});
