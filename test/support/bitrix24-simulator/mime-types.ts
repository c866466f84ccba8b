/** Extensions a portal meets in chats, with their media types; the first extension of a type is the one it adds to a name. */
const TYPES: Array<readonly [string, string]> = [
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['png', 'image/png'],
  ['gif', 'image/gif'],
  ['webp', 'image/webp'],
  ['mp4', 'video/mp4'],
  ['webm', 'video/webm'],
  ['mov', 'video/quicktime'],
  ['ogg', 'audio/ogg'],
  ['mp3', 'audio/mpeg'],
  ['m4a', 'audio/mp4'],
  ['wav', 'audio/x-wav'],
  ['pdf', 'application/pdf'],
  ['zip', 'application/zip'],
  ['txt', 'text/plain'],
  ['html', 'text/html'],
  ['json', 'application/json'],
  ['tgs', 'application/x-tgsticker'],
];

/** First bytes that give a format away, as hex, from the given offset. */
const SIGNATURES: Array<readonly [number, string, string]> = [
  [0, 'ffd8ff', 'image/jpeg'],
  [0, '89504e470d0a1a0a', 'image/png'],
  [0, '47494638', 'image/gif'],
  [8, '57454250', 'image/webp'],
  [4, '66747970', 'video/mp4'],
  [0, '1a45dfa3', 'video/webm'],
  [0, '4f676753', 'audio/ogg'],
  [0, '494433', 'audio/mpeg'],
  [0, '25504446', 'application/pdf'],
  [0, '504b0304', 'application/zip'],
];

export const UNKNOWN_TYPE = 'application/octet-stream';

/** What servers say when they know nothing: reason enough to look at the content. */
export function saysNothing(type: string): boolean {
  return type === '' || type === UNKNOWN_TYPE || type === 'binary/octet-stream';
}

/** By the name's extension; '' when it is not known. */
export function typeOfName(name: string): string {
  const extension = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase();
  return TYPES.find(([known]) => known === extension)?.[1] ?? '';
}

/** By the first bytes; '' when they are not known. */
export function typeOfContent(content: Buffer): string {
  const found = SIGNATURES.find(
    ([offset, hex]) => content.subarray(offset, offset + hex.length / 2).toString('hex') === hex,
  );
  return found?.[2] ?? '';
}

/** Without the dot; '' when the type is not known. Parameters of the type do not matter. */
export function extensionOf(type: string): string {
  const bare = type.split(';', 1)[0]?.trim().toLowerCase();
  return TYPES.find(([, known]) => known === bare)?.[0] ?? '';
}
