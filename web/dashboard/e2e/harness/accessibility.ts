/** Whether pages can be used by everybody, as far as axe can tell. */
import axe from "axe-core";
import type { Page } from "playwright-core";

/** Serious faults of a page, one line each. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const results = await page.evaluate(async () => {
    const found = await (window as unknown as { axe: typeof axe }).axe.run(document, {
      resultTypes: ["violations"],
    });
    return found.violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      places: nodes.map((node) => `${node.target.join(" ")} (${node.failureSummary ?? ""})`),
    }));
  });
  return results
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, help, places }) => places.map((place) => `${id}: ${help}: ${place}`));
}

/** Pixels by which a page is wider than its window. */
export async function overhang(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
