// Chromium over its DevTools protocol, with nothing switched on that a measurement would see.
//
// The libraries that drive browsers watch the network by this protocol: every message of a WebSocket then goes as text
// through the browser and the program that drives it, which costs more than half of what it takes to draw the message.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

// A window of its own without a screen. Machines without a GPU draw in software; --disable-gpu has those with one do so.
const FLAGS = [
  "--headless",
  "--disable-gpu",
  "--no-sandbox", // as root there is none
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--no-default-browser-check",
  "--disable-background-networking",
  "--disable-component-update",
];

/** Start Chromium and open a page of this size, in CSS pixels. */
export async function launch(executablePath, { width, height }) {
  const profile = await mkdtemp(join(tmpdir(), "catenary-bench-"));
  const flags = [...FLAGS, `--user-data-dir=${profile}`, "--remote-debugging-pipe", "about:blank"];
  const browser = spawn(executablePath, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => browser.once("exit", resolve));
  const say = channel(browser.stdio[3], browser.stdio[4]);
  const { targetInfos } = await say("Target.getTargets");
  const { targetId } = targetInfos.find(({ type }) => type === "page");
  const { sessionId } = await say("Target.attachToTarget", { targetId, flatten: true });
  const page = new Page((method, params) => say(method, params, sessionId));
  await page.say("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
  const close = async () => {
    await say("Browser.close");
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  return { page, close };
}

/** Calls over a pair of pipes: JSON with a zero byte after each message. */
function channel(input, output) {
  const waiting = new Map();
  let lastId = 0;
  let text = "";
  output.setEncoding("utf8").on("data", (data) => {
    const messages = (text + data).split("\0");
    text = messages.pop();
    for (const message of messages.map((each) => JSON.parse(each))) {
      const [resolve, reject] = waiting.get(message.id) ?? [() => undefined, () => undefined];
      waiting.delete(message.id);
      message.error === undefined ? resolve(message.result) : reject(new Error(JSON.stringify(message.error)));
    }
  });
  return (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, [resolve, reject]);
      input.write(`${JSON.stringify({ id: lastId, method, params, sessionId })}\0`);
    });
}

class Page {
  constructor(say) {
    this.say = say;
  }

  /** Open an address; the function runs in the page before any script of its own. */
  async open(url, first) {
    await this.say("Page.enable"); // without, scripts of before are not run
    await this.say("Page.addScriptToEvaluateOnNewDocument", { source: `(${first})()` });
    await this.say("Page.navigate", { url });
  }

  /** What a function returns in the page, for these arguments. */
  async evaluate(called, ...values) {
    const expression = `(${called})(...${JSON.stringify(values)})`;
    const answer = await this.say("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails !== undefined) {
      throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
    }
    return answer.result.value;
  }

  /** Type into what has the focus. */
  async type(text) {
    await this.say("Input.insertText", { text });
  }

  /** Press and release the left button of the mouse. */
  async click({ x, y }) {
    const button = { x, y, button: "left", clickCount: 1 };
    await this.say("Input.dispatchMouseEvent", { ...button, type: "mousePressed" });
    await this.say("Input.dispatchMouseEvent", { ...button, type: "mouseReleased" });
  }
}
