import { makeKeptFileAddress } from '../../common/external-ids.js';
import type { KeptFileRow } from '../../storage/crm/kept-files.js';
import type { KeptFileItem } from './files.dto.js';

/** As a message that is sent names them. */
export function attachmentsOf(files: KeptFileRow[]) {
  return files.map(({ id, name, mime, size }) => ({
    kind: 'document',
    name,
    label: name,
    size,
    url: makeKeptFileAddress(id),
    ...(mime === null ? {} : { mime }),
  }));
}

/** As the API shows it. */
export function fileItem({ name, mime, size }: KeptFileRow): KeptFileItem {
  return { name, mime, size };
}
