import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';

/** What was done, in order, and what came of it. `step` is the REST method, `detail` is for people. */
export interface RegistrationStep {
  step: string;
  ok: boolean;
  detail: string;
  /** The open line that it was about. */
  lineId?: string;
  /** Of a step that failed: the code of Bitrix24's error, or a stable one of ours with what its words are made of. */
  code?: string;
  params?: Record<string, unknown>;
}

export interface RegistrationReport {
  /** Every step worked. */
  ok: boolean;
  steps: RegistrationStep[];
}

/** Runs one step; `work` may answer a better detail. Only what the network or we ourselves refuse is a result. */
export async function attempt(
  step: string,
  detail: string,
  work: () => Promise<string | undefined | void>,
): Promise<RegistrationStep> {
  try {
    const said = await work();
    return { step, ok: true, detail: said ?? detail };
  } catch (error) {
    if (error instanceof UpstreamError) {
      return { step, ok: false, detail: `${error.code}: ${error.detail}`, code: error.code };
    }
    if (error instanceof Problem) {
      return { step, ok: false, detail: error.message, code: error.code, params: error.extra };
    }
    throw error;
  }
}

/** Those that failed, as an audit entry names them. */
export function failedSteps(steps: RegistrationStep[]): string[] {
  return steps
    .filter(({ ok }) => !ok)
    .map(({ step, lineId, code }) => [lineId && `line ${lineId}`, step, code].filter(Boolean).join(': '));
}

/** All that was done. */
export function report(steps: RegistrationStep[]): RegistrationReport {
  return { ok: steps.every((step) => step.ok), steps };
}
