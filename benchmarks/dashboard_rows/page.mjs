// A page in a headless Chromium that tells when it drew what: `node page.mjs CHROMIUM URL`.
//
// Each line of the input is a request as JSON and gets one line of answer:
//   {"do": "settle"}                       waits until the page has drawn for some seconds
//   {"do": "watch", "seconds": S}          what was drawn in S seconds
//   {"do": "steer", "values": [...], "pauseMs": P}   sets these learning rates one after the other by the page's own controls
// Times are milliseconds since the Unix epoch, with fractions, by the clock of the page; `clockMs` is to be added for that
// of the system.
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { launch } from "./devtools.mjs";

const SETTLE_SECONDS = 60;
const SETTLED_MS = 3_000; // the history is read, the programs are compiled

const [, , executablePath, url] = process.argv;
const { page, close } = await launch(executablePath, { width: 1280, height: 800 });
await page.open(url, () => {
  window.drawn = [];
  window.clicks = [];
  document.addEventListener("batchdrawn", ({ detail }) => window.drawn.push([detail.step, detail.drawnAt]));
  // When the browser had the click from the mouse, not when the page found time for it.
  const noteClick = (event) => {
    if (event.target.closest("button[type=submit]") !== null) {
      window.clicks.push(performance.timeOrigin + event.timeStamp);
    }
  };
  document.addEventListener("click", noteClick, true);
});

const actions = {
  async settle() {
    const drawn = await page.evaluate(
      (seconds) =>
        new Promise((resolve) => {
          document.addEventListener("batchdrawn", () => resolve(true), { once: true });
          setTimeout(() => resolve(false), seconds * 1_000);
        }),
      SETTLE_SECONDS,
    );
    if (!drawn) {
      throw new Error("the page draws nothing");
    }
    await pause(SETTLED_MS);
    return {};
  },
  async watch({ seconds }) {
    await page.evaluate(() => void (window.drawn = []));
    await pause(seconds * 1_000);
    return { drawn: await page.evaluate(() => window.drawn), clockMs: await clock() };
  },
  async steer({ values, pauseMs }) {
    for (const value of values) {
      await page.evaluate(focusOnLearningRate);
      await page.type(String(value));
      await page.click(await page.evaluate(placeOfApply));
      await pause(pauseMs * (0.5 + Math.random()));
    }
    await pause(1_000);
    return { clicks: await page.evaluate(() => window.clicks), clockMs: await clock() };
  },
};

function focusOnLearningRate() {
  const labels = [...document.querySelectorAll("form label")];
  const field = labels.find((label) => label.textContent.includes("Learning rate")).querySelector("input");
  field.scrollIntoView({ block: "nearest" });
  field.focus();
  field.select();
}

/** The button can be pressed as soon as the page has taken the text in. */
async function placeOfApply() {
  const button = document.activeElement.closest("form").querySelector("button[type=submit]");
  while (button.disabled) {
    await new Promise(requestAnimationFrame);
  }
  const { x, y, width, height } = button.getBoundingClientRect();
  return { x: x + width / 2, y: y + height / 2 };
}

// Date.now() is the system's clock in whole milliseconds: half of one is added back.
async function clock() {
  const differences = await page.evaluate(async () => {
    const found = [];
    for (let index = 0; index < 200; index += 1) {
      found.push(Date.now() - (performance.timeOrigin + performance.now()));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return found;
  });
  return differences.reduce((sum, value) => sum + value, 0) / differences.length + 0.5;
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(await actions[request.do](request)));
}
await close();
