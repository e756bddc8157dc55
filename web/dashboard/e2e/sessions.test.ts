import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { overhang, seriousFaults } from "./harness/accessibility.ts";
import { PHONE, startBrowser, Tab, type Theme } from "./harness/browser.ts";
import { keepPicture } from "./harness/pictures.ts";
import { Server } from "./harness/server.ts";
import { openSession, trainIn, type RemoteSession } from "./harness/session.ts";

const THEMES: readonly Theme[] = ["light", "dark"];

let browser: Browser;
let server: Server;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "catenary-e2e-"));
  const parameters = ["--data", folder];
  [browser, server] = await Promise.all([startBrowser(), Server.start({ telemetryOnly: false, folder, parameters })]);
});

afterAll(async () => {
  await browser.close();
  await server.remove();
});

test.each(THEMES)("without a session the page says what to run, and what the server has (%s)", async (theme) => {
  const tab = await Tab.open(browser, `${server.url}sessions`, { theme });
  const { page } = tab;
  await page.getByRole("heading", { name: "No session is open" }).waitFor();
  await page.getByRole("meter", { name: /^Sessions: 0 of \d+ taken/ }).waitFor();
  await page.getByText("Device cpu").waitFor();
  await page.getByRole("button", { name: "Copy the command" }).first().click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("catenary train");
  expect(await seriousFaults(page)).toEqual([]);
  expect(tab.faults).toEqual([]);
  await tab.close();
});

test("a server that takes telemetry alone says that it has no sessions", async () => {
  const alone = await Server.start();
  const tab = await Tab.open(browser, `${alone.url}sessions`);
  await tab.page.getByRole("heading", { name: "This server has no sessions" }).waitFor();
  expect(tab.faults).toEqual([]);
  await tab.close();
  await alone.remove();
});

describe("a session with a trained pipeline", () => {
  let session: RemoteSession;
  let idle: RemoteSession;
  let url: string;

  beforeAll(async () => {
    idle = await openSession(server, "--trainrun", "rx", "--label", "team=sound", "--phases");
    session = await openSession(server, "--label", "team=vision");
    await session.program.line(/^trained$/);
    url = `${server.url}sessions/${session.id}/`;
  });

  afterAll(() => Promise.all([session.program.stop("SIGKILL"), idle.program.stop("SIGKILL")]));

  const panel = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
  const preview = (page: Page) => panel(page, "Inference on a scene");
  const pick = (page: Page) => preview(page).locator("input[type=file]");

  test("is listed with its state, found by its labels, and opened from there", async () => {
    const tab = await Tab.open(browser, `${server.url}sessions`);
    const { page } = tab;
    const row = page.getByRole("row").filter({ hasText: session.id.slice(0, 12) });
    await row.getByText("Ready").waitFor();
    await row.getByText("deep_svdd").waitFor();
    await page.getByRole("searchbox", { name: "Search sessions" }).fill("team sound");
    await expect.poll(() => row.count()).toBe(0);
    await page.getByRole("searchbox").fill("VISION");
    await row.getByRole("link").click();
    await page.waitForURL(url);
    await page.getByRole("heading", { name: new RegExp(session.id) }).waitFor();
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("has its pipeline drawn, and a table that says the same and tells of each node", async () => {
    const tab = await Tab.open(browser, url);
    const { page } = tab;
    await page.getByRole("img", { name: /^12 nodes and 16 connections/ }).waitFor();
    const nodes = page.getByRole("table", { name: /Nodes of the pipeline/ });
    expect(await nodes.getByRole("rowheader").allTextContents()).toEqual(
      ["scene", "normalizer", "pca", "fourier", "projection", "center", "deep_svdd", "scores", "decider", "auroc", "iou", "precision"],
    );
    const projection = nodes.getByRole("button", { name: "projection" });
    await projection.focus();
    await page.keyboard.press("Enter");
    expect(await projection.getAttribute("aria-pressed")).toBe("true");
    await page.getByRole("heading", { name: "projection DeepSVDDProjection" }).waitFor();
    expect(await page.locator('.graph-edge[data-lit="true"]').count()).toBe(4);
    await page.locator(".graph-node", { hasText: "pca" }).click();
    await page.getByRole("heading", { name: "pca TrainablePCA" }).waitFor();
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("shows what its training came to, and follows the next one live", async () => {
    const tab = await Tab.open(browser, url);
    const { page } = tab;
    const training = panel(page, "Training");
    await training.getByText("Completed").waitFor();
    await training.getByText("8 of 8").waitFor();
    await training.getByRole("button", { name: /val_deep_svdd_loss \d/ }).waitFor();
    await training.getByText("Epochs (8)").click();
    await training.getByRole("rowheader", { name: "7" }).waitFor();
    const before = await training.getByRole("link", { name: /Its run/ }).getAttribute("href");
    const again = trainIn(server, session.id, "gradient");
    await training.getByText("Running").waitFor();
    await again.ended();
    await training.getByText("Completed").waitFor();
    expect(await training.getByRole("link", { name: /Its run/ }).getAttribute("href")).not.toBe(before);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("infers on a scene that is picked, and draws what it makes of it", async () => {
    const tab = await Tab.open(browser, url);
    const { page } = tab;
    await pick(page).setInputFiles(join(server.folder, "scene.npz"));
    const scores = preview(page).getByRole("figure").filter({ hasText: "Scores \u00b7 scores.scores" });
    await scores.waitFor();
    await preview(page).getByRole("figure").filter({ hasText: "Mask \u00b7 decider.decisions" }).waitFor();
    await preview(page).getByRole("figure").filter({ hasText: "Ground truth" }).waitFor();
    await preview(page).getByText(/^\d+ \u00d7 \d+ \u00d7 \d+, <f4$/).waitFor();
    await preview(page).getByText(/^\d+ ms$/).waitFor();
    await scores.getByText(/^from .* to /).waitFor();
    const shades = await scores.locator("canvas").first().evaluate((canvas: HTMLCanvasElement) => {
      const data = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return new Set(Array.from({ length: data.length / 4 }, (_, pixel) => data[pixel * 4 + 1])).size;
    });
    expect(shades).toBeGreaterThan(50);
    const first = await scores.locator("canvas").first().screenshot();
    await preview(page).getByText("Ranks", { exact: true }).click();
    await expect.poll(async () => (await scores.locator("canvas").first().screenshot()).equals(first)).toBe(false);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("reads single pixels by the keyboard, the same one in every picture", async () => {
    const tab = await Tab.open(browser, url);
    const { page } = tab;
    await pick(page).setInputFiles(join(server.folder, "scene.npz"));
    const frame = preview(page).getByRole("application", { name: /False colour/ });
    await frame.focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Shift+ArrowUp");
    const places = await preview(page).locator("output.picture-value").allTextContents();
    expect(places).toHaveLength(4);
    expect(new Set(places.map((place) => place.split(":")[0])).size).toBe(1);
    await preview(page).getByRole("slider").first().fill("0");
    await preview(page).getByText(/^band 0/).waitFor();
    await tab.close();
  });

  test("takes a scene that is dropped", async () => {
    const tab = await Tab.open(browser, url);
    const { page } = tab;
    await pick(page).waitFor({ state: "attached" });
    await preview(page).locator(".file-drop").evaluate((element) => {
      const header = "{'descr': '<u2', 'fortran_order': False, 'shape': (4, 5, 3), }".padEnd(117) + "\n";
      const bytes = new Uint8Array([0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0, ...new TextEncoder().encode(header), ...new Uint8Array(120)]);
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], "dropped.npy"));
      element.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    });
    await page.getByRole("alert").getByText(/3 bands|bands|channels|features/).waitFor(); // trained on another number of bands
    await tab.close();
  });

  test.each([
    ["scene.mat", "neither .npy nor .npz"],
    ["cut.npy", "does not begin as"],
    ["broken.npz", "no archive"],
  ])("says why %s cannot be used", async (name, reason) => {
    await writeFile(join(server.folder, name), "nothing that anybody could read");
    const tab = await Tab.open(browser, url);
    await pick(tab.page).setInputFiles(join(server.folder, name));
    await tab.page.getByRole("alert").getByText(reason).waitFor();
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("measures where the time goes, sorts it and forgets it", async () => {
    const tab = await Tab.open(browser, url);
    const { page } = tab;
    const times = panel(page, "Time of each node");
    await times.getByRole("button", { name: "Measure" }).click();
    await pick(page).setInputFiles(join(server.folder, "scene.npz"));
    await times.getByRole("rowheader", { name: "fourier" }).waitFor();
    await times.getByRole("button", { name: "Total ms" }).click();
    const totals = async (): Promise<number[]> =>
      (await times.locator("tbody tr td:last-child").allTextContents()).map(Number);
    await expect.poll(totals).toEqual([...(await totals())].sort((one, other) => other - one));
    await times.getByRole("button", { name: "Stop measuring" }).click();
    await times.getByRole("button", { name: "Forget" }).click();
    await times.getByText("Nothing was measured yet").waitFor();
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test.each(THEMES)("can be used by everybody (%s)", async (theme) => {
    const tab = await Tab.open(browser, url, { theme });
    const { page } = tab;
    await panel(page, "Time of each node").getByRole("button", { name: "Measure" }).click();
    await pick(page).setInputFiles(join(server.folder, "scene.npz"));
    await panel(page, "Time of each node").getByRole("rowheader", { name: "scores" }).waitFor();
    await page.getByRole("img", { name: /nodes and/ }).waitFor();
    await expect.poll(() => seriousFaults(page)).toEqual([]);
    await keepPicture(page, `session-${theme}`, { whole: true });
    await preview(page).evaluate((element) => element.scrollIntoView({ block: "center" }));
    await keepPicture(page, `inference-${theme}`);
    await page.goto(`${server.url}sessions`);
    await page.getByRole("rowheader").first().waitFor();
    expect(await seriousFaults(page)).toEqual([]);
    await keepPicture(page, `sessions-${theme}`);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("fits on a phone", async () => {
    const tab = await Tab.open(browser, url, { size: PHONE });
    const { page } = tab;
    await pick(page).setInputFiles(join(server.folder, "scene.npz"));
    await preview(page).getByRole("figure").first().waitFor();
    await page.getByRole("img", { name: /nodes and/ }).waitFor();
    expect(await overhang(page)).toBe(0);
    await keepPicture(page, "session-phone", { whole: true });
    await tab.close();
  });

  test("is closed after asking, and then is not there any more", async () => {
    const extra = await openSession(server, "--trainrun", "rx", "--phases");
    const tab = await Tab.open(browser, `${server.url}sessions/${extra.id}/`);
    const { page } = tab;
    await page.getByRole("button", { name: "Close session" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Close session" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Close session" }).click();
    await page.waitForURL(`${server.url}sessions`);
    await page.goBack();
    await page.getByRole("heading", { name: "There is no such session" }).waitFor();
    await extra.program.stop("SIGKILL");
    await tab.close();
  });
});
