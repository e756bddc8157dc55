// A page in a headless Chromium that tells when it drew what: `node page.mjs PACKAGE_JSON CHROMIUM URL`.
//
// Each line of the input is a request as JSON and gets one line of answer:
//   {"do": "settle"}                       waits until the page has drawn for some seconds
//   {"do": "watch", "seconds": S}          what was drawn in S seconds
//   {"do": "steer", "values": [...], "pauseMs": P}   sets these learning rates one after the other by the page's own controls
// Times are milliseconds since the Unix epoch, with fractions, by the clock of the page; `clockMs` is to be added for that
// of the system.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [, , packageJson, executablePath, url] = process.argv;
const { chromium } = createRequire(packageJson)("playwright-core");

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.addInitScript(() => {
  window.drawn = [];
  window.clicks = [];
  document.addEventListener("batchdrawn", ({ detail }) => window.drawn.push([detail.step, detail.drawnAt]));
  document.addEventListener("submit", (event) => window.clicks.push(performance.timeOrigin + event.timeStamp), true);
});
await page.goto(url);

const actions = {
  async settle() {
    await page.waitForFunction(() => window.drawn.length > 0, undefined, { timeout: 60_000 });
    await page.waitForTimeout(3_000); // the history is read, the programs are compiled
    return {};
  },
  async watch({ seconds }) {
    await page.evaluate(() => (window.drawn = []));
    await page.waitForTimeout(seconds * 1_000);
    return { drawn: await page.evaluate(() => window.drawn), clockMs: await clock() };
  },
  async steer({ values, pauseMs }) {
    const field = page.getByRole("textbox", { name: /Learning rate/ });
    const apply = page.locator("form", { has: field }).getByRole("button", { name: "Apply" });
    for (const value of values) {
      await field.fill(String(value));
      await apply.click();
      await page.waitForTimeout(pauseMs * (0.5 + Math.random()));
    }
    await page.waitForTimeout(1_000);
    return { clicks: await page.evaluate(() => window.clicks), clockMs: await clock() };
  },
};

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
await browser.close();
