import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seriousFaults } from "./harness/accessibility.ts";
import { startBrowser, Tab } from "./harness/browser.ts";
import { keepPicture } from "./harness/pictures.ts";
import { RunPage } from "./harness/run-page.ts";
import { Server } from "./harness/server.ts";
import { startTraining, type Training } from "./harness/training.ts";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([startBrowser(), Server.start()]);
});

afterAll(async () => {
  await browser.close();
  await server.remove();
});

async function openRun(training: Training): Promise<{ tab: Tab; run: RunPage }> {
  const tab = await Tab.open(browser, `${server.url}runs/${training.runId}/`);
  const run = new RunPage(tab.page);
  await run.untilLive();
  return { tab, run };
}

async function setTo(run: RunPage, title: string, value: string): Promise<void> {
  const form = run.steering.locator("form").filter({ hasText: title });
  await form.getByRole("textbox").fill(value);
  await form.getByRole("button", { name: "Apply" }).click();
}

function newest(run: RunPage): Locator {
  return run.commands.getByRole("listitem").first();
}

describe("a training that obeys", () => {
  let training: Training;

  beforeAll(async () => {
    training = await startTraining(server, "--name", "obedient", "--batches", "20");
  });

  afterAll(() => training.program.stop("SIGKILL"));

  test("takes another learning rate, and says from which step on", async () => {
    const { tab, run } = await openRun(training);
    await setTo(run, "Learning rate", "0.005");
    await newest(run).getByText("learning rate 0.005").waitFor();
    await newest(run).getByText(/^applied at step \d+: 0\.02 \u2192 0\.005$/).waitFor();
    await run.steering.getByText("now 0.005").waitFor();
    await run.log.getByText("learning rate 0.005 sent").waitFor();
    await run.log.getByText(/^learning rate 0\.005 applied at step \d+/).waitFor();
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  test("takes another batch size", async () => {
    const { tab, run } = await openRun(training);
    await setTo(run, "Batch size", "9");
    await newest(run).getByText(/^applied at step \d+: 16 \u2192 9$/).waitFor();
    await expect.poll(() => run.tiles.getByRole("button", { name: /^Image \d+\./ }).count()).toBe(9);
    await setTo(run, "Batch size", "16");
    await newest(run).getByText(/: 9 \u2192 16$/).waitFor();
    await tab.close();
  });

  test.each([
    ["Learning rate", "fast", "Not a number"],
    ["Learning rate", "5", "At most 1"],
    ["Learning rate", "0", "At least 1.00e-6"],
    ["Batch size", "2.5", "Only whole numbers"],
  ])("is not sent a %s of %s", async (title, value, problem) => {
    const { tab, run } = await openRun(training);
    await setTo(run, title, value);
    await run.steering.getByRole("alert").filter({ hasText: problem }).waitFor();
    await tab.close();
  });

  test("pauses and resumes", async () => {
    const { tab, run } = await openRun(training);
    await run.steering.getByRole("button", { name: "Pause" }).click();
    await newest(run).getByText(/^applied at step \d+: running \u2192 paused$/).waitFor();
    await tab.page.getByText("Paused", { exact: true }).waitFor();
    const paused = await run.step();
    await run.steering.getByRole("button", { name: "Resume" }).click();
    await newest(run).getByText(/^applied at step \d+: paused \u2192 running$/).waitFor();
    await expect.poll(() => run.step()).toBeGreaterThan(paused);
    expect(await seriousFaults(run.page)).toEqual([]);
    await keepPicture(run.page, "steering", { whole: true });
    await tab.close();
  });

  test("shows a command of somebody else as well", async () => {
    const [one, other] = await Promise.all([openRun(training), openRun(training)]);
    await setTo(one.run, "Learning rate", "0.003");
    await newest(other.run).getByText("learning rate 0.003").waitFor();
    await newest(other.run).getByText(/^applied at step/).waitFor();
    await Promise.all([one.tab.close(), other.tab.close()]);
  });

  test("stops after asking, and only then", async () => {
    const { tab, run } = await openRun(training);
    const stop = run.steering.getByRole("button", { name: "Stop" });
    await stop.click();
    await run.page.getByRole("dialog").waitFor();
    await run.page.keyboard.press("Escape");
    await run.page.getByRole("dialog").waitFor({ state: "detached" });
    const before = await run.step();
    await expect.poll(() => run.step()).toBeGreaterThan(before);
    await stop.click();
    expect(await seriousFaults(run.page)).toEqual([]);
    await run.page.getByRole("dialog").getByRole("button", { name: "Stop the training" }).click();
    await expect.poll(() => run.phase()).toBe("ended");
    await tab.page.getByText("Cancelled", { exact: true }).waitFor();
    expect(await training.program.ended()).toBe(0);
    await tab.close();
  });
});

describe("a training that obeys nothing", () => {
  test("has its controls disabled, with the reason", async () => {
    const deaf = await startTraining(server, "--name", "deaf", "--deaf");
    const { tab, run } = await openRun(deaf);
    await run.steering.getByText("This training does not obey this command.").waitFor();
    for (const name of ["Pause", "Stop"]) {
      expect(await run.steering.getByRole("button", { name }).getAttribute("aria-disabled")).toBe("true");
    }
    expect(await run.steering.getByRole("textbox", { name: "Learning rate" }).isDisabled()).toBe(true);
    await deaf.program.stop("SIGKILL");
    await tab.close();
  });
});

describe("a training that died", () => {
  test("refuses a command that came too late with the server's reason, then is not heard any more", async () => {
    const dying = await startTraining(server, "--name", "dying");
    const { tab, run } = await openRun(dying);
    await run.steering.getByRole("button", { name: "Pause" }).waitFor();
    await dying.program.stop("SIGKILL");
    await tab.page.getByText("Not heard", { exact: true }).waitFor();
    await run.steering.getByText(/Nobody hears commands/).waitFor();
    await run.log.getByText("the training is not heard any more").waitFor();
    await tab.close();
  });
});
