/** What tests look at on the page of a run. */
import type { Locator, Page } from "playwright-core";

export class RunPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get tiles(): Locator {
    return this.page.getByRole("region", { name: "Images of the batch" });
  }

  get steering(): Locator {
    return this.page.getByRole("region", { name: "Steering" });
  }

  get commands(): Locator {
    return this.page.getByRole("region", { name: "Commands" });
  }

  get log(): Locator {
    return this.page.getByRole("region", { name: "Event log" });
  }

  /** How much of the run the page has: `live`, `waiting`, `catching-up`, `ended`. */
  async phase(): Promise<string | null> {
    return this.page.locator("[data-phase].badge").getAttribute("data-phase");
  }

  async untilLive(): Promise<void> {
    await this.page.locator(".badge[data-phase='live']").waitFor();
  }

  /** The figure of a name, such as `Step`. */
  async figure(name: string): Promise<string> {
    const figure = this.page.locator(".figure").filter({ has: this.page.getByText(name, { exact: true }) });
    return (await figure.locator(".figure-value").textContent()) ?? "";
  }

  async step(): Promise<number> {
    return Number((await this.figure("Step")).replaceAll(/\D/g, "") || "0");
  }

  /** Resolves when so many batches more are on the screen; gives when the last was logged and drawn. */
  async drawn(batches: number): Promise<{ step: number; loggedAt: number; drawnAt: number; rate: number }> {
    return this.page.evaluate(
      (wanted) =>
        new Promise((resolve) => {
          let seen = 0;
          const hear = (event: Event): void => {
            seen += 1;
            if (seen >= wanted) {
              document.removeEventListener("batchdrawn", hear);
              resolve((event as CustomEvent<{ step: number; loggedAt: number; drawnAt: number; rate: number }>).detail);
            }
          };
          document.addEventListener("batchdrawn", hear);
        }),
      batches,
    );
  }

  /** Different colours within each tile of the canvas; a tile without an image has next to none. */
  async coloursOfTiles(columns: number, rows: number): Promise<number[]> {
    return this.page.locator("canvas.tiles-canvas").evaluate(
      (element, [across, down]) => {
        const source = element as HTMLCanvasElement;
        const copy = document.createElement("canvas");
        copy.width = source.width;
        copy.height = source.height;
        const context = copy.getContext("2d");
        context?.drawImage(source, 0, 0);
        const width = Math.floor(copy.width / across);
        const height = Math.floor(copy.height / down);
        return Array.from({ length: across * down }, (_, tile) => {
          const x = (tile % across) * width + Math.floor(width / 4);
          const y = Math.floor(tile / across) * height + Math.floor(height / 4);
          const pixels = context?.getImageData(x, y, Math.floor(width / 2), Math.floor(height / 4)).data ?? [];
          return new Set(Array.from(new Uint32Array(Uint8ClampedArray.from(pixels).buffer))).size;
        });
      },
      [columns, rows] as const,
    );
  }

  /** The chart of a title. */
  chart(title: string): Locator {
    return this.page.getByRole("region", { name: title, exact: true });
  }

  /** Ink on a chart: pixels that are not the ground. */
  async ink(title: string): Promise<number> {
    return this.chart(title)
      .locator(".chart-plot canvas")
      .evaluate((element) => {
        const canvas = element as HTMLCanvasElement;
        const pixels = canvas.getContext("2d")?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
        let ink = 0;
        for (let index = 3; index < pixels.length; index += 4) {
          ink += pixels[index] === 0 ? 0 : 1;
        }
        return ink;
      });
  }
}
