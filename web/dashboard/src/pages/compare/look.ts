/** How the curve of a run looks: by colour, and by dashes for who does not tell colours apart. */

/** Colour as the number of a token `--curve-n`, and dashes. */
export interface Look {
  readonly colour: number;
  readonly dash?: readonly number[];
}

const COLOURS = 8;
const DASHES: readonly (readonly number[] | undefined)[] = [undefined, [9, 4], [2, 4], [10, 4, 2, 4], [5, 3]];

/** The look of the n-th run; forty runs differ. */
export function lookOf(index: number): Look {
  const dash = DASHES[index % DASHES.length];
  const colour = (index % COLOURS) + 1;
  return dash === undefined ? { colour } : { colour, dash };
}
