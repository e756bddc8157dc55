import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seriousFaults } from "./harness/accessibility.ts";
import { startBrowser, Tab } from "./harness/browser.ts";
import { keepPicture } from "./harness/pictures.ts";
import { RunPage } from "./harness/run-page.ts";
import { CATENARY, Server } from "./harness/server.ts";
import { startTraining, type Training } from "./harness/training.ts";

const run = promisify(execFile);

let browser: Browser;
let server: Server;
let folder: string;
let training: Training;
let owner: string;
let viewer: string;

async function createToken(file: string, ...scopes: readonly string[]): Promise<string> {
  const granted = scopes.flatMap((scope) => ["--scope", scope]);
  const { stdout } = await run(CATENARY, ["tokens", "create", "--principal", "ada", ...granted, "--append", file]);
  return /catenary_\S+/.exec(stdout)?.[0] ?? "";
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "catenary-tokens-"));
  const file = join(folder, "tokens");
  owner = await createToken(file, "telemetry.*");
  viewer = await createToken(file, "telemetry.read");
  [browser, server] = await Promise.all([startBrowser(), Server.start({ parameters: ["--tokens", file] })]);
  training = await startTraining(server, "--name", "guarded", "--token", owner);
});

afterAll(async () => {
  await training.program.stop("SIGKILL");
  await browser.close();
  await server.remove();
  await rm(folder, { recursive: true });
});

async function enter(tab: Tab, token: string): Promise<void> {
  await tab.page.getByLabel("Token", { exact: true }).last().fill(token);
  await tab.page.getByRole("button", { name: "Connect" }).click();
}

describe("a server with tokens", () => {
  test("is asked nothing before there is one, and the token is kept out of the address", async () => {
    const tab = await Tab.open(browser, server.url);
    const asked: string[] = [];
    tab.page.on("request", (request) => asked.push(request.url()));
    await tab.page.getByRole("dialog", { name: "Token" }).waitFor();
    expect(await seriousFaults(tab.page)).toEqual([]);
    await keepPicture(tab.page, "token");
    await enter(tab, "catenary_wrong");
    await tab.page.getByText(/The token was not accepted/).waitFor();
    await enter(tab, owner);
    await tab.page.getByRole("link", { name: training.runId }).waitFor();
    await tab.page.reload();
    await tab.page.getByRole("link", { name: training.runId }).waitFor();
    expect(tab.page.url()).toBe(server.url);
    expect(asked.filter((url) => url.includes(owner))).toEqual([]);
    await tab.close();
  });

  test("lets who may only view view, and says why not more", async () => {
    const tab = await Tab.open(browser, `${server.url}runs/${training.runId}/`);
    await enter(tab, viewer);
    const page = new RunPage(tab.page);
    await page.untilLive();
    await page.drawn(3);
    await page.steering.getByText(/Your token may view but not steer/).waitFor();
    expect(await page.steering.getByRole("button", { name: "Stop" }).getAttribute("aria-disabled")).toBe("true");
    expect(await page.steering.getByRole("textbox", { name: "Learning rate" }).isDisabled()).toBe(true);
    expect(await seriousFaults(tab.page)).toEqual([]);
    await tab.page.getByRole("link", { name: "All runs", exact: true }).click();
    await tab.page.getByRole("checkbox", { name: `Select ${training.runId}` }).check();
    const remove = tab.page.getByRole("button", { name: "Delete", exact: true });
    expect(await remove.isDisabled()).toBe(true);
    expect(await remove.getAttribute("title")).toContain("telemetry.write");
    await tab.close();
  });

  test("lets who may steer steer", async () => {
    const tab = await Tab.open(browser, `${server.url}runs/${training.runId}/`);
    await enter(tab, owner);
    const page = new RunPage(tab.page);
    await page.untilLive();
    await page.steering.getByRole("button", { name: "Pause" }).click();
    await page.commands.getByText(/^applied at step/).waitFor();
    await page.steering.getByRole("button", { name: "Resume" }).click();
    await expect.poll(() => page.commands.getByText(/^applied at step/).count()).toBe(2);
    await tab.close();
  });
});
