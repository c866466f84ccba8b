import { DOCTOR, useData } from './queries.js';
import { api } from './session.js';

/** An examination calls Telegram and the portals, so a tab that is left open asks for one this seldom. */
const EVERY_MS = 10 * 60_000;

/** What the doctor found; one examination for all pages. */
export function useDiagnosis() {
  return useData(
    () => [DOCTOR],
    () => api().doctor(),
    { everyMs: EVERY_MS, freshMs: EVERY_MS },
  );
}
