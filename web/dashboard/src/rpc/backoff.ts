/** How long to wait before the next attempt to connect. */

const FIRST_MS = 50;
const VISIBLE_CAP_MS = 150;
const HIDDEN_CAP_MS = 5_000;
const PATIENT_AFTER = 1_500;
const PATIENT_CAP_MS = 1_000;

/**
 * Milliseconds before an attempt. The first follows at once; the next ones double, with jitter so that many pages do
 * not come back together.
 *
 * A page that somebody looks at asks often, since its view has to be back within 0.3 s of the link; after some minutes
 * it asks once a second.
 *
 * @param attempt attempts that failed since the last connection
 * @param visible whether anybody looks at the page
 * @param random from 0 to 1
 */
export function backoffMs(attempt: number, visible: boolean, random: number): number {
  if (attempt === 0) {
    return random * FIRST_MS;
  }
  const patient = attempt > PATIENT_AFTER ? PATIENT_CAP_MS : VISIBLE_CAP_MS;
  const cap = visible ? patient : HIDDEN_CAP_MS;
  return Math.min(FIRST_MS * 2 ** Math.min(attempt - 1, 16), cap) * (0.5 + random / 2);
}
