import { asList, asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';

/**
 * Of the sizes of one photo (a list of PhotoSize; any JSON may be passed) the one to fetch: the largest, or that whose
 * width in pixels is nearest to what is wanted. Undefined: none of them has a file.
 */
export function choosePhotoSize(sizes: unknown, wanted: 'largest' | { width: number }): JsonObject | undefined {
  const cost = ({ width, height }: JsonObject): number =>
    wanted === 'largest'
      ? -(asNumber(width) ?? 0) * (asNumber(height) ?? 0)
      : Math.abs((asNumber(width) ?? 0) - wanted.width);
  return asList(sizes)
    .map(asObject)
    .filter(({ file_id: fileId }) => asText(fileId) !== '')
    .sort((a, b) => cost(a) - cost(b))[0];
}
