import type { Browser } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startBrowser, Tab } from "./harness/browser.ts";
import { Cut } from "./harness/cut.ts";
import { keepPicture } from "./harness/pictures.ts";
import { RunPage } from "./harness/run-page.ts";
import { Server } from "./harness/server.ts";
import { startTraining, type Training } from "./harness/training.ts";

let browser: Browser;
let server: Server;
let link: Cut;
let training: Training;

beforeAll(async () => {
  [browser, link] = await Promise.all([startBrowser(), Cut.start()]);
  server = await Server.start({ parameters: ["--dashboard-host", `127.0.0.1:${link.port}`] });
  link.target = server.dashboardPort;
  training = await startTraining(server, "--name", "steady", "--batches", "10");
});

beforeEach(() => link.mend());

afterAll(async () => {
  link.close();
  await training.program.stop("SIGKILL");
  await browser.close();
  await server.remove();
});

async function openRun(): Promise<{ tab: Tab; run: RunPage }> {
  const tab = await Tab.open(browser, `http://127.0.0.1:${link.port}/runs/${training.runId}/`);
  const run = new RunPage(tab.page);
  await run.untilLive();
  await run.drawn(1);
  return { tab, run };
}

/** Numbers of the epochs in the log of the page. */
async function epochsOf(run: RunPage): Promise<number[]> {
  const texts = await run.log.locator(".log-text").allTextContents();
  return texts.flatMap((text) => text.match(/^epoch (\d+):/)?.[1] ?? []).map(Number);
}

describe("a page whose connection is cut", () => {
  test("says so, comes back by itself, and misses nothing of the log", async () => {
    const { tab, run } = await openRun();
    const before = await run.step();
    link.cut();
    await expect.poll(() => run.phase()).toBe("waiting");
    await tab.page.getByRole("banner").getByText(/^Reconnecting/).waitFor();
    await keepPicture(tab.page, "run-reconnecting");
    const other = await Tab.open(browser, `${server.url}runs/${training.runId}/`);
    const control = new RunPage(other.page);
    await expect.poll(() => control.step()).toBeGreaterThan(before + 40);
    const drawn = run.drawn(1);
    link.mend();
    await drawn;
    await run.untilLive();
    await expect.poll(() => run.step()).toBeGreaterThan(before + 40);
    await expect.poll(async () => (await epochsOf(run)).length).toBeGreaterThan(3);
    const epochs = (await epochsOf(run)).reverse();
    expect(epochs).toEqual(epochs.map((_, index) => index + 1));
    expect(tab.faults).toEqual([]);
    await other.close();
    await tab.close();
  });

  test("takes a cut of the network as told by the browser", async () => {
    const { tab, run } = await openRun();
    await tab.page.context().setOffline(true);
    link.cut();
    await expect.poll(() => run.phase()).toBe("waiting");
    link.mend();
    await tab.page.context().setOffline(false);
    await run.untilLive();
    await tab.close();
  });

  test("has a list of runs that says what is wrong, and mends", async () => {
    const tab = await Tab.open(browser, `http://127.0.0.1:${link.port}/`);
    await tab.page.getByRole("link", { name: training.runId }).waitFor();
    link.cut();
    await tab.page.getByText("The runs cannot be listed").waitFor();
    link.mend();
    await tab.page.getByText("The runs cannot be listed").waitFor({ state: "detached" });
    await tab.page.getByRole("link", { name: training.runId }).waitFor();
    await tab.close();
  });
});

describe("a page whose server is killed", () => {
  test("comes back to the next one, and so does the training", async () => {
    const first = await Server.start();
    const kept = await startTraining(first, "--name", "kept", "--batches", "10");
    const tab = await Tab.open(browser, `${first.url}runs/${kept.runId}/`);
    const run = new RunPage(tab.page);
    await run.untilLive();
    await expect.poll(() => run.step()).toBeGreaterThan(20);
    const ports = { rpc: first.rpcPort, dashboard: first.dashboardPort };
    await first.stop("SIGKILL");
    await expect.poll(() => run.phase()).toBe("waiting");
    const before = await run.step();
    const second = await Server.start({ folder: first.folder, ports });
    await expect.poll(() => run.step()).toBeGreaterThan(before + 20);
    await expect.poll(async () => (await epochsOf(run)).length).toBeGreaterThan(2);
    const epochs = (await epochsOf(run)).reverse();
    expect(epochs).toEqual(epochs.map((_, index) => index + 1));
    await kept.program.stop("SIGKILL");
    await tab.close();
    await second.remove();
  });
});
