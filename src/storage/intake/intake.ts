import type { NewDelivery } from '../work/outbox.js';

/** What an intake did: endpoints that have new work, and how many messages are new. */
export interface Intake {
  endpoints: string[];
  accepted: number;
  duplicates: number;
}

export const NOTHING: Intake = { endpoints: [], accepted: 0, duplicates: 0 };

export function intakeOf(work: NewDelivery[], accepted: number, duplicates: number): Intake {
  return { endpoints: [...new Set(work.map((delivery) => delivery.endpoint).filter(Boolean))], accepted, duplicates };
}

export function sumOf(intakes: Intake[]): Intake {
  return {
    endpoints: [...new Set(intakes.flatMap(({ endpoints }) => endpoints))],
    accepted: intakes.reduce((sum, { accepted }) => sum + accepted, 0),
    duplicates: intakes.reduce((sum, { duplicates }) => sum + duplicates, 0),
  };
}
