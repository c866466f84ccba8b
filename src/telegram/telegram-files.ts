import type { Agent } from 'node:http';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { isAbsolute, normalize, sep } from 'node:path';
import type { Readable } from 'node:stream';
import type { Api } from 'grammy';
import { httpGet } from '../common/http-get.js';
import { limitStream, StreamLimitError, type StreamLimits } from '../common/limited-stream.js';
import { watchCall } from '../common/spans.js';
import { UpstreamError } from '../common/upstream-error.js';
import { classifyFailure, classifyRefusal } from './telegram-errors.js';

const ANSWER_MS = 20_000;
/** Whoever reads, or sends, nothing for so long is gone. Twelve hours are for 2 GB on a slow line. */
const LIMITS: StreamLimits = {
  maxBytes: Infinity,
  pace: { bytes: 1, withinMs: 30_000 },
  totalMs: 12 * 3_600_000,
};

/** The bot, and how its server is reached. */
export interface FilesOfBot {
  token: string;
  /** Without a trailing slash. */
  apiRoot: string;
  agent: Agent;
  calls: Api['raw'];
  /** It may name paths on a disk that we share. */
  ownServer: boolean;
}

/** Where a file is now; a path holds for an hour (core.telegram.org/bots/api#getfile). */
export interface LocatedFile {
  path: string;
  /** Bytes; null: Telegram does not say. */
  size: number | null;
}

/** A file, or the part of it that was asked for. The stream fails with an UpstreamError. */
export interface OpenFile {
  stream: Readable;
  /** Bytes of the stream, when known. */
  length: number | null;
  /** `bytes <first>-<last>/<size>`; null: it is the whole file. */
  contentRange: string | null;
  /** Parts can be asked for. */
  ranges: boolean;
}

/** Files that people sent to one bot. Its token is in the address of each, so no address ever leaves this class. */
export class TelegramFiles {
  constructor(private readonly bot: FilesOfBot) {}

  /** Throws {@link UpstreamError}: `refused` with `file_too_large` or another code when it cannot be had at all. */
  async locate(fileId: string, signal: AbortSignal): Promise<LocatedFile> {
    const ask = () => this.bot.calls.getFile({ file_id: fileId }, signal as never);
    // A question may be asked twice: perhaps it met a kept connection that was just being closed.
    const { file_path: path, file_size: size } = await ask().catch((error: unknown) => {
      if (error instanceof UpstreamError && error.code === 'ECONNRESET') return ask();
      throw error;
    });
    if (!path) throw gone('Telegram names no path for the file.');
    return { path, size: size ?? null };
  }

  /** @param range a Range header; a source that knows no ranges answers the whole file */
  async open({ path }: LocatedFile, range: string | undefined, signal: AbortSignal): Promise<OpenFile> {
    const directory = this.bot.ownServer ? this.directoryOf(path) : null;
    if (directory === null) return this.download(path, range, signal);
    const handle = await openWithin(directory, path);
    // The disk of the server is not always shared; then something in front of it serves the same files by HTTP.
    return handle ? readFile(handle, range) : this.download(path.slice(directory.length + 1), range, signal);
  }

  /**
   * The bot's own directory on the disk of a local server, which is called like its token (on Windows with `~` for
   * the colon): `/var/lib/telegram-bot-api/<token>/photos/file_0.jpg`. Null for any other path.
   */
  private directoryOf(path: string): string | null {
    if (!isAbsolute(path) || normalize(path) !== path) return null;
    const [id] = this.bot.token.split(':');
    const names = path.split(sep);
    const at = names.findIndex((name) => name.split(/[:~]/, 1)[0] === id);
    return at < 0 ? null : names.slice(0, at + 1).join(sep);
  }

  private async download(path: string, range: string | undefined, signal: AbortSignal): Promise<OpenFile> {
    const names = path.split('/');
    if (names.some((name) => name === '..' || name === '.')) throw gone('Telegram names a path that leads elsewhere.');
    const { apiRoot, token, agent } = this.bot;
    const url = new URL(`${apiRoot}/file/bot${token}/${names.map(encodeURIComponent).join('/')}`);
    const headers = { 'Accept-Encoding': 'identity', ...(range === undefined ? {} : { Range: range }) };
    const { answer, status } = await watchCall('telegram', 'download', async () => {
      const answer = await httpGet(url, { headers, agent, signal, answerMs: ANSWER_MS }).catch((error: unknown) => {
        throw failed(error);
      });
      const { statusCode: status = 0 } = answer;
      if (status === 200 || status === 206) return { answer, status };
      answer.destroy();
      throw refusalOf(status);
    });
    const { 'content-length': length, 'content-range': contentRange, 'accept-ranges': ranges } = answer.headers;
    return {
      stream: limitStream(answer, LIMITS, failed),
      length: length === undefined ? null : Number(length),
      contentRange: status === 206 ? (contentRange ?? null) : null,
      ranges: status === 206 || ranges === 'bytes',
    };
  }
}

/** Null: there is no such file here. Throws when it leads out of the directory or may not be read. */
async function openWithin(directory: string, path: string): Promise<FileHandle | null> {
  try {
    const [root, real] = await Promise.all([realpath(directory), realpath(path)]);
    if (!real.startsWith(root + sep)) throw gone('The file lies outside of the directory of the bot.');
    return await open(real, 'r');
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw failed(error);
  }
}

async function readFile(handle: FileHandle, range: string | undefined): Promise<OpenFile> {
  const found = await handle.stat();
  const part = partOf(range, found.size);
  if (!found.isFile() || part === 'outside') {
    await handle.close();
    throw found.isFile() ? refusalOf(416) : gone('It is no file.');
  }
  const { first, last } = part ?? { first: 0, last: found.size - 1 };
  return {
    stream: limitStream(handle.createReadStream({ start: first, end: Math.max(last, 0) }), LIMITS, failed),
    length: last - first + 1,
    contentRange: part && `bytes ${first}-${last}/${found.size}`,
    ranges: true,
  };
}

/** The bytes that a Range header means (RFC 9110, 14.1.2); null for all of them, as for what cannot be read. */
function partOf(range: string | undefined, size: number): { first: number; last: number } | 'outside' | null {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
  if (!from && !to) return null;
  const first = from ? Number(from) : Math.max(0, size - Number(to));
  const last = from && to ? Math.min(Number(to), size - 1) : size - 1;
  if (from && to && Number(to) < first) return null;
  return first <= last ? { first, last } : 'outside';
}

function refusalOf(status: number): UpstreamError {
  if (status === 404) return gone('Telegram does not have the file any more.');
  if (status === 416) return refused('range_outside', 'The file is shorter than that.');
  return classifyRefusal({ error_code: status, description: `The file was answered with ${status}` });
}

function failed(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof StreamLimitError) return refused(error.limit, 'Nothing came for 30 seconds.');
  const { code = 'NO_ANSWER' } = error as { code?: string };
  // The words of a system call name the path, and with it the token.
  return classifyFailure(Object.assign(new Error('The file could not be read'), { code }));
}

const gone = (detail: string) => refused('file_gone', detail);
const refused = (code: string, detail: string) =>
  new UpstreamError({ network: 'telegram', kind: 'refused', scope: 'message', code, detail });
