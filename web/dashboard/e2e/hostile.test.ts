import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBrowser, Tab } from "./harness/browser.ts";
import { RunPage } from "./harness/run-page.ts";
import { Server } from "./harness/server.ts";
import { startTraining, type Training } from "./harness/training.ts";

const CORPUS = fileURLToPath(new URL("hostile.txt", import.meta.url));

let browser: Browser;
let server: Server;
let training: Training;
let texts: string[];

beforeAll(async () => {
  texts = (await readFile(CORPUS, "utf8")).trim().split("\n");
  [browser, server] = await Promise.all([startBrowser(), Server.start()]);
  training = await startTraining(server, "--name", "hostile", "--hostile", CORPUS, "--batches", "10");
});

afterAll(async () => {
  await training.program.stop("SIGKILL");
  await browser.close();
  await server.remove();
});

/** Elements that only markup from a training could have brought, and handlers of events as attributes. */
async function intruders(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const unwanted = document.querySelectorAll("#app script, #app iframe, #app style, #app img, #app math, #app details, #app template");
    const handlers = [...document.querySelectorAll("*")].filter((element) =>
      element.getAttributeNames().some((name) => name.startsWith("on") || name === "srcdoc"),
    );
    const links = [...document.querySelectorAll("a[href]")].filter((link) => (link as HTMLAnchorElement).protocol === "javascript:");
    return [...unwanted, ...handlers, ...links].map((element) => `${element.tagName} ${element.getAttributeNames().join(" ")}`);
  });
}

describe("whatever a training says", () => {
  test("is text in the list of runs", async () => {
    const tab = await Tab.open(browser, server.url);
    await tab.page.getByRole("link", { name: training.runId }).waitFor();
    for (const text of texts) {
      await tab.page.getByRole("button", { name: `=${text}` }).waitFor();
    }
    expect(await intruders(tab.page)).toEqual([]);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("is text on the page of the run: labels, settings, metrics, messages", async () => {
    const tab = await Tab.open(browser, `${server.url}runs/${training.runId}/`);
    const run = new RunPage(tab.page);
    await run.untilLive();
    await run.drawn(5);
    await run.log.getByText(/^running: /).nth(2).waitFor();
    for (const text of texts) {
      expect(await tab.page.getByText(text).count()).toBeGreaterThan(0);
    }
    const tiles = run.tiles.getByRole("button", { name: /^Image \d+\./ });
    await expect.poll(async () => (await tiles.first().getAttribute("aria-label")) ?? "").toMatch(/predicted .*(alert|display)/);
    await tiles.first().focus();
    await run.tiles.getByRole("meter").first().waitFor();
    await tab.page.getByRole("combobox", { name: "Metric" }).selectOption({ label: `${texts[0]?.slice(0, 60)} 1` });
    await run.chart("Other metrics").getByRole("button", { name: texts[0] ?? "" }).waitFor();
    expect(await intruders(tab.page)).toEqual([]);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("ends a run with a message that is text", async () => {
    const failing = await startTraining(server, "--name", "failing", "--hostile", CORPUS, "--batches", "3", "--fail");
    await failing.program.ended();
    const tab = await Tab.open(browser, `${server.url}runs/${failing.runId}/`);
    await expect.poll(() => new RunPage(tab.page).phase()).toBe("ended");
    await tab.page.getByRole("alert").filter({ hasText: /alert|display/ }).waitFor();
    expect(await intruders(tab.page)).toEqual([]);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });
});

describe("the page itself", () => {
  test("is served with a policy that allows nothing inline and nothing from elsewhere", async () => {
    const answer = await fetch(server.url);
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(policy).not.toContain("http");
  });

  test("asks nobody but its server for anything", async () => {
    const tab = await Tab.open(browser, "about:blank");
    const asked = new Set<string>();
    tab.page.on("request", (request) => asked.add(new URL(request.url()).origin));
    await tab.page.goto(`${server.url}runs/${training.runId}/`);
    await new RunPage(tab.page).untilLive();
    expect([...asked]).toEqual([new URL(server.url).origin]);
    await tab.close();
  });
});
