/** A refusal (application/problem+json), or no answer at all (`no_answer`). */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    detail: string,
    readonly extra: Record<string, unknown> = {},
  ) {
    super(detail);
  }
}

/** What the page knows from the start. */
export function readBootstrap<Bootstrap>(): Bootstrap | null {
  const text = document.getElementById('bootstrap')?.textContent;
  return text ? (JSON.parse(text) as Bootstrap) : null;
}

/** `steps`: from the page's address to the root of the service, wherever a proxy has put that, such as `..`. */
export function serviceRoot(steps: string): string {
  return new URL(steps, document.baseURI).href.replace(/\/$/, '');
}

/** What a call of openapi-fetch came to. */
export interface Outcome<Answer> {
  data?: Answer;
  error?: unknown;
  response: Response;
}

/** Throws {@link ApiError} for everything that is no success. */
export async function answer<Answer>(call: Promise<Outcome<Answer>>): Promise<Answer> {
  const { data, error, response } = await call.catch((cause: unknown) => {
    throw new ApiError('no_answer', String(cause));
  });
  if (response.ok) return data as Answer;
  const body = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
  const { code = `http_${response.status}`, detail = response.statusText, ...extra } = body;
  throw new ApiError(String(code), String(detail), extra);
}
