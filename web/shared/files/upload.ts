/** The service keeps no longer names; the ending says what a file is. */
const NAME_LIMIT = 100;
const ENDING = /\.[^.\s]{1,10}$/;

/** The name under which a file is kept: cut in its middle where it is too long. */
export function keptName(name: string): string {
  const letters = [...name];
  // The service counts the units of UTF-16 neither.
  if (letters.length <= NAME_LIMIT) return name;
  const ending = ENDING.exec(name)?.[0] ?? '';
  return letters.slice(0, NAME_LIMIT - ending.length - 1).join('') + '…' + ending;
}

/** A file as the body of a request of openapi-fetch. */
export function asBody(file: File) {
  return {
    headers: { 'content-type': 'application/octet-stream' },
    // The document describes it as what it is in JSON.
    body: file as never,
    bodySerializer: (body: unknown) => body as Blob,
  };
}
