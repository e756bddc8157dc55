/** A real Chromium, and pages in it that notice whatever goes wrong on them. */
import { existsSync } from "node:fs";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";

export type Theme = "light" | "dark";

/** Widths that pages are looked at in. */
export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 780 };

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Start the browser that `CATENARY_CHROMIUM` names, or the system's. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env["CATENARY_CHROMIUM"] ?? PLACES.find((place) => existsSync(place));
  if (executablePath === undefined) {
    throw new Error("Chromium is needed: install it (Debian: apt-get install chromium) or name it in CATENARY_CHROMIUM");
  }
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
}

export interface PageOptions {
  readonly theme?: Theme;
  readonly size?: { readonly width: number; readonly height: number };
  readonly reducedMotion?: boolean;
}

/** A page with a profile of its own. */
export class Tab {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #faults: string[] = [];

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
  }

  static async open(browser: Browser, url: string, options: PageOptions = {}): Promise<Tab> {
    const context = await browser.newContext({
      viewport: options.size ?? DESKTOP,
      colorScheme: options.theme ?? "light",
      reducedMotion: options.reducedMotion === true ? "reduce" : "no-preference",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const tab = new Tab(context, page);
    page.on("pageerror", (error) => tab.#faults.push(`uncaught: ${error.message}`));
    page.on("dialog", (dialog) => {
      tab.#faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) {
        tab.#faults.push(`console: ${message.text()}`);
      }
    });
    await page.goto(url);
    return tab;
  }

  /** What went wrong on the page: errors, violations of the content security policy, dialogs of the browser. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}
