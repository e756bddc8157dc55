import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { overhang, seriousFaults } from "./harness/accessibility.ts";
import { PHONE, startBrowser, Tab, type PageOptions, type Theme } from "./harness/browser.ts";
import { keepPicture } from "./harness/pictures.ts";
import { RunPage } from "./harness/run-page.ts";
import { Server } from "./harness/server.ts";
import { startTraining, type Training } from "./harness/training.ts";

const THEMES: readonly Theme[] = ["light", "dark"];

let browser: Browser;
let server: Server;
let training: Training;

beforeAll(async () => {
  [browser, server] = await Promise.all([startBrowser(), Server.start()]);
  training = await startTraining(server, "--name", "patterns", "--tag", "team=vision", "--batches", "15");
});

afterAll(async () => {
  await training.program.stop("SIGKILL");
  await browser.close();
  await server.remove();
});

async function openRun(options: PageOptions = {}): Promise<{ tab: Tab; run: RunPage }> {
  const tab = await Tab.open(browser, `${server.url}runs/${training.runId}`, options);
  const run = new RunPage(tab.page);
  await run.untilLive();
  return { tab, run };
}

describe("the images of a run", () => {
  test("are drawn as they come, all sixteen", async () => {
    const { tab, run } = await openRun();
    const first = await run.drawn(3);
    const later = await run.drawn(10);
    expect(later.step).toBeGreaterThan(first.step);
    expect(later.drawnAt).toBeGreaterThanOrEqual(later.loggedAt - 1);
    const colours = await run.coloursOfTiles(4, 4);
    expect(Math.min(...colours)).toBeGreaterThan(8);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("say in words what was predicted and whether it is right", async () => {
    const { tab, run } = await openRun();
    const names = () => run.tiles.getByRole("button", { name: /^Image \d+\./ }).evaluateAll((all) => all.map((each) => each.ariaLabel));
    await expect.poll(async () => (await names()).length).toBe(16);
    for (const name of await names()) {
      expect(name).toMatch(/^Image \d+\. predicted \w+ with \d+ %, is \w+: (right|wrong)$/);
    }
    const right = (await names()).filter((name) => name?.endsWith("right")).length;
    expect(right).toBeGreaterThan(0);
    await run.tiles.getByText(/^\d+ right$/).waitFor();
    await run.tiles.getByText(/^\d+ wrong$/).waitFor();
    await tab.close();
  });

  test("show the best guesses of the one that has the focus, or the pointer", async () => {
    const { tab, run } = await openRun();
    await run.tiles.getByRole("button", { name: /^Image 6\./ }).focus();
    await expect.poll(() => run.tiles.locator(".guesses li").count()).toBe(3);
    const shares = await run.tiles.getByRole("meter").evaluateAll((all) => all.map((each) => (each as HTMLMeterElement).value));
    expect(shares).toEqual([...shares].sort((one, other) => other - one));
    await run.page.keyboard.press("Tab");
    await run.tiles.getByRole("button", { name: /^Image 7\./, pressed: true }).waitFor();
    await run.tiles.getByRole("button", { name: /^Image 11\./ }).hover();
    await run.tiles.getByRole("button", { name: /^Image 11\./, pressed: true }).waitFor();
    await tab.close();
  });

  test("stay while they are held, and the training goes on", async () => {
    const { tab, run } = await openRun();
    await run.drawn(2);
    await run.tiles.getByRole("button", { name: "Hold" }).click();
    const held = await run.step();
    const picture = () => run.page.locator("canvas.tiles-canvas").screenshot();
    await expect.poll(async () => (await picture()).equals(await picture())).toBe(true);
    await expect.poll(() => run.step()).toBeGreaterThan(held + 10);
    await run.tiles.getByRole("button", { name: "Hold" }).click();
    await run.drawn(2);
    await tab.close();
  });
});

describe("the figures of a run", () => {
  test("tell progress, learning, speed and load", async () => {
    const { tab, run } = await openRun();
    await expect.poll(() => run.step()).toBeGreaterThan(0);
    await expect.poll(() => run.figure("Epoch")).toMatch(/^\d+ \/ \d+$/);
    await expect.poll(() => run.figure("Loss")).toMatch(/^\d/);
    await expect.poll(() => run.figure("Accuracy")).toMatch(/ %$/);
    await expect.poll(() => run.figure("Batches/s")).toMatch(/^\d+\.\d$/);
    await expect.poll(() => run.figure("Time per batch")).toMatch(/ ms$/);
    await expect.poll(() => run.figure("Remaining")).toMatch(/\d+ (s|min|h|d)/);
    await expect.poll(() => run.figure("CPU")).toMatch(/^\d+ %$/);
    await expect.poll(() => run.figure("Memory")).toMatch(/MB|GB/);
    await run.page.getByText(/^average \d/).waitFor();
    await tab.close();
  });
});

describe("the curves of a run", () => {
  test("are training and validation, and go on", async () => {
    const { tab, run } = await openRun();
    const loss = run.chart("Loss");
    await loss.getByRole("button", { name: /^training, each batch/ }).waitFor();
    await loss.getByRole("button", { name: /^validation/ }).waitFor();
    await run.chart("Accuracy").getByRole("button", { name: /^validation/ }).waitFor();
    const name = () => loss.getByRole("group").getAttribute("aria-label");
    const before = await name();
    await expect.poll(name).not.toBe(before);
    expect(await run.ink("Loss")).toBeGreaterThan(1_000);
    await tab.close();
  });

  test("are hidden and shown by their names", async () => {
    const { tab, run } = await openRun();
    const accuracy = run.chart("Accuracy");
    const training = accuracy.getByRole("button", { name: /^training, each batch/ });
    await expect.poll(() => run.ink("Accuracy")).toBeGreaterThan(500);
    const shown = await run.ink("Accuracy");
    await training.click();
    await accuracy.getByRole("button", { name: /^training, each batch/, pressed: false }).waitFor();
    await expect.poll(() => run.ink("Accuracy")).toBeLessThan(shown);
    await tab.close();
  });

  test("are smoothed, and drawn on a logarithmic scale", async () => {
    const { tab, run } = await openRun();
    const loss = run.chart("Loss");
    const slider = loss.getByRole("slider", { name: "Loss: smoothing" });
    await slider.fill("0.9");
    await loss.getByText("0.90").waitFor();
    const log = loss.getByRole("button", { name: "Log" });
    await log.click();
    expect(await log.getAttribute("aria-pressed")).toBe("true");
    await expect.poll(() => run.ink("Loss")).toBeGreaterThan(500);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("zoom by pointer, buttons and keys, and follow what is newest", async () => {
    const { tab, run } = await openRun();
    await expect.poll(() => run.step()).toBeGreaterThan(100);
    const loss = run.chart("Loss");
    const all = loss.getByRole("button", { name: "Loss: show all" });
    const follow = loss.getByRole("button", { name: "Follow" });
    expect(await all.isDisabled()).toBe(true);
    const box = await loss.locator(".u-over").boundingBox();
    if (box === null) {
      throw new Error("the chart is not there");
    }
    await run.page.mouse.move(box.x + box.width * 0.2, box.y + 40);
    await run.page.mouse.down();
    await run.page.mouse.move(box.x + box.width * 0.5, box.y + 40, { steps: 5 });
    await run.page.mouse.up();
    await expect.poll(() => all.isDisabled()).toBe(false);
    expect(await follow.getAttribute("aria-pressed")).toBe("false");
    await follow.click();
    await expect.poll(() => follow.getAttribute("aria-pressed")).toBe("true");
    await all.click();
    await expect.poll(() => all.isDisabled()).toBe(true);
    await loss.getByRole("group").focus();
    await run.page.keyboard.press("+");
    await expect.poll(() => all.isDisabled()).toBe(false);
    await run.page.keyboard.press("ArrowLeft");
    await expect.poll(() => follow.getAttribute("aria-pressed")).toBe("false");
    await run.page.keyboard.press("0");
    await expect.poll(() => all.isDisabled()).toBe(true);
    await tab.close();
  });

  test("are also of any other metric", async () => {
    const { tab, run } = await openRun();
    const choice = run.page.getByRole("combobox", { name: "Metric" });
    await choice.selectOption("learning_rate");
    await run.chart("Other metrics").getByRole("button", { name: /^learning_rate 0\.02/ }).waitFor();
    await tab.close();
  });
});

describe("the history of a run", () => {
  test("has its epochs, sortable, and its events, searchable, from the start", async () => {
    const { tab, run } = await openRun();
    const epochs = run.page.getByRole("region", { name: "Epochs", exact: true }).first();
    await epochs.getByRole("rowheader").first().waitFor();
    await epochs.getByRole("button", { name: "Epoch" }).click();
    await expect.poll(() => epochs.getByRole("rowheader").first().textContent()).toMatch(/^1\b/);
    await run.log.getByRole("searchbox").fill("status running");
    await run.log.getByText(/^running/).waitFor();
    await run.log.getByRole("searchbox").fill("nothing like this");
    await run.log.getByText("No line fits").waitFor();
    await run.page.getByText("gradient descent").waitFor();
    await tab.close();
  });
});

describe("the page of a run", () => {
  test.each(THEMES)("has no serious fault of accessibility (%s)", async (theme) => {
    const { tab, run } = await openRun({ theme });
    await run.drawn(5);
    await run.tiles.getByRole("button", { name: /^Image 1\./ }).focus();
    await run.tiles.getByRole("meter").first().waitFor();
    expect(await seriousFaults(run.page)).toEqual([]);
    await keepPicture(run.page, `run-${theme}`);
    await keepPicture(run.page, `run-whole-${theme}`, { whole: true });
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test.each(THEMES)("fits a phone (%s)", async (theme) => {
    const { tab, run } = await openRun({ theme, size: PHONE, reducedMotion: true });
    await run.drawn(5);
    expect(await overhang(run.page)).toBe(0);
    expect(await seriousFaults(run.page)).toEqual([]);
    await keepPicture(run.page, `run-phone-${theme}`, { whole: true });
    await tab.close();
  });

  test("says that there is no such run, and what to do", async () => {
    const tab = await Tab.open(browser, `${server.url}runs/nothing.like-this/`);
    await tab.page.getByRole("heading", { name: "There is no such run" }).waitFor();
    await tab.page.getByText("catenary runs list").waitFor();
    expect(await seriousFaults(tab.page)).toEqual([]);
    await tab.close();
  });

  test("is complete when the training has ended, and stays", async () => {
    const short = await startTraining(server, "--name", "short", "--epochs", "2", "--batches", "10");
    const tab = await Tab.open(browser, `${server.url}runs/${short.runId}/`);
    const run = new RunPage(tab.page);
    await short.program.ended();
    await expect.poll(() => run.phase()).toBe("ended");
    await tab.page.getByText("Completed", { exact: true }).waitFor();
    expect(await run.step()).toBe(20);
    await tab.page.reload();
    await expect.poll(() => run.phase()).toBe("ended");
    await expect.poll(() => run.step()).toBe(20);
    const stop = run.steering.getByRole("button", { name: "Stop" });
    expect(await stop.getAttribute("aria-disabled")).toBe("true");
    await run.steering.getByText("The training has ended.").waitFor();
    await tab.close();
  });
});
