import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { mimeTypeOf } from '../support/telegram-simulator/media.kinds.js';
import type { Sandbox } from './sandbox.js';

/** A file as the page shows it: drawn, played or linked. */
export interface PageFile {
  kind: 'image' | 'sticker' | 'video' | 'audio' | 'file';
  name: string;
  /** Bytes. */
  size: number;
  /** Null: it has been deleted. */
  url: string | null;
}

interface FoundFile {
  mime: string;
  content: Buffer;
}

/** What a browser may show itself; everything else it only saves, so that nothing runs on the page's origin. */
const SHOWN = /^(image\/(jpeg|png|gif|webp)|audio\/|video\/)/;

/** Finds what stands behind {@link PageFile.url}: `/files/telegram/<file_id>`, `/files/bitrix24/<id>`. */
export async function findFile(sandbox: Sandbox, path: string): Promise<FoundFile | undefined> {
  const [, network, id = ''] = /^\/files\/(telegram|bitrix24)\/([\w-]+)$/.exec(path) ?? [];
  if (network === 'bitrix24') {
    const file = sandbox.portal.files.all.get(Number(id));
    return file?.removed ? undefined : file;
  }
  const file = sandbox.bot.files.find(id);
  return file && { mime: mimeTypeOf(`file.${file.extension}`), content: await readFile(file.content.path) };
}

/** Sends a file, or the part of it that was asked for: players do not jump without. */
export function sendFile(response: ServerResponse, { mime, content }: FoundFile, range: string | undefined): void {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  const start = Number(first ?? 0);
  const end = Math.min(last ? Number(last) : Infinity, content.length - 1);
  const isPart = first !== undefined && start <= end;
  const part = isPart ? content.subarray(start, end + 1) : content;
  response
    .writeHead(isPart ? 206 : 200, {
      'content-type': mime,
      'content-length': part.length,
      'accept-ranges': 'bytes',
      ...(isPart && { 'content-range': `bytes ${start}-${end}/${content.length}` }),
      'content-disposition': SHOWN.test(mime) ? 'inline' : 'attachment',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      // A file never changes under its id.
      'cache-control': 'private, max-age=3600, immutable',
    })
    .end(part);
}
