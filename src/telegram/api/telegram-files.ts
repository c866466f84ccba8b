import { open, realpath, type FileHandle } from 'node:fs/promises';
import { isAbsolute, normalize, sep } from 'node:path';
import { type FileAnswer, httpGet } from '../../common/http-get.js';
import { connectionCode, TransportError } from '../../common/http-exchange.js';
import { limitStream, StreamLimitError, type StreamLimits } from '../../common/limited-stream.js';
import { watchCall } from '../../common/spans.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { ApiRoot, ApiRoots, Proof } from './api-roots.js';
import type { BotCalls } from './bot-api.js';
import { GatewayAnswer, readPage } from './gateway-page.js';
import { classifyFailure, classifyRefusal } from './telegram-errors.js';
import { refusal, telegramError } from './telegram-problems.js';
import { openTemporaryFile } from './temporary-file.js';

const ANSWER_MS = 20_000;
/** A side that reads or sends nothing for this long is gone. Twelve hours suffice for 2 GB over a slow connection. */
const LIMITS: StreamLimits = {
  maxBytes: Infinity,
  pace: { bytes: 1, withinMs: 30_000 },
  totalMs: 12 * 3_600_000,
};

/** The bot, and how its server is reached. */
export interface FilesOfBot {
  token: string;
  roots: ApiRoots;
  proof: Proof;
  calls: BotCalls;
}

/** Where a file is now; a path holds for an hour (core.telegram.org/bots/api#getfile). */
export interface LocatedFile {
  path: string;
  /** Bytes; null: Telegram does not say. */
  size: number | null;
}

/** A file that is there to its last byte, open for reading; whoever opened it closes it. */
export interface WholeFile {
  handle: FileHandle;
  /** Bytes. */
  size: number;
}

/** Files that people sent to one bot. Its token is in the address of each, so no address ever leaves this class. */
export class TelegramFiles {
  constructor(private readonly bot: FilesOfBot) {}

  /** Throws {@link UpstreamError}: `refused` with `file_too_large` or another code when it cannot be had at all. */
  async locate(fileId: string, signal: AbortSignal): Promise<LocatedFile> {
    const ask = () => this.bot.calls.getFile({ file_id: fileId }, signal);
    // A question may be asked twice: perhaps it met a kept connection that was just being closed.
    const { file_path: path, file_size: size } = await ask().catch((error: unknown) => {
      if (error instanceof UpstreamError && error.code === 'ECONNRESET') return ask();
      throw error;
    });
    if (!path) throw gone('Telegram names no path for the file.');
    return { path, size: size ?? null };
  }

  /**
   * The file, fetched to its last byte: a reader never gets half of it. Throws {@link UpstreamError}, `file_incomplete`
   * when the source ended early; an error of another class when this machine's disk cannot take it.
   */
  async open(located: LocatedFile, signal: AbortSignal): Promise<WholeFile> {
    const { path } = located;
    const directory = this.directoryOf(path);
    if (directory === null) return this.download(located, signal);
    this.bot.roots.nameDiskPaths = true;
    const handle = await openWithin(directory, path);
    if (handle) return wholeFile(handle);
    // The disk of the server is not always shared; then something in front of it serves the same files by HTTP.
    return this.download({ ...located, path: path.slice(directory.length + 1) }, signal);
  }

  /**
   * The bot's own directory on the disk of a local server, which is called like its token (on Windows with `~` for
   * the colon): `/var/lib/telegram-bot-api/<token>/photos/file_0.jpg`. Null for any other path, such as Telegram's.
   */
  private directoryOf(path: string): string | null {
    if (!isAbsolute(path) || normalize(path) !== path) return null;
    const [id] = this.bot.token.split(':');
    const names = path.split(sep);
    const at = names.findIndex((name) => name.split(/[:~]/, 1)[0] === id);
    return at < 0 ? null : names.slice(0, at + 1).join(sep);
  }

  /** A source that breaks off in the middle is asked once more, from the start. */
  private async download(located: LocatedFile, signal: AbortSignal): Promise<WholeFile> {
    return watchCall('telegram', 'download', async () => {
      const first = await this.ask(located, signal);
      return keep(first, located.size).catch(async (error: unknown) => {
        const brokeOff = error instanceof UpstreamError && error.kind !== 'refused';
        if (!brokeOff || signal.aborted) throw error;
        return keep(await this.ask(located, signal), located.size);
      });
    });
  }

  private async ask({ path }: LocatedFile, signal: AbortSignal): Promise<FileAnswer> {
    const names = path.split('/');
    if (names.some((name) => name === '..' || name === '.')) throw gone('Telegram names a path that leads elsewhere.');
    const { token, roots, proof } = this.bot;
    const pathOfFile = `/file/bot${token}/${names.map(encodeURIComponent).join('/')}`;
    return roots
      .call(proof, (root) => answerOf(root, pathOfFile, signal), { repeatable: true })
      .catch((error: unknown) => {
        throw error instanceof GatewayAnswer ? refusalOf(error.page.status) : failed(error);
      });
  }
}

/** Throws what {@link ApiRoots} knows: an answer that is not the Bot API's may be another one at another root. */
async function answerOf(root: ApiRoot, path: string, signal: AbortSignal): Promise<FileAnswer> {
  const url = new URL(`${root.url}${path}`);
  const { downloads: connections } = root.connections;
  const headers = { 'Accept-Encoding': 'identity' };
  const answer = await httpGet(url, { headers, connections, signal, answerMs: ANSWER_MS }).catch((error: unknown) => {
    throw new TransportError(connectionCode(error), true);
  });
  const { status, body } = answer;
  if (status === 200) return answer;
  body.destroy();
  if (/json/i.test(String(answer.headers['content-type']))) throw refusalOf(status);
  const page = { status, body: '', location: null, retryAfter: null, afterMs: 0 };
  throw new GatewayAnswer(readPage(page, Date.now()));
}

/** On the disk, without a name. A source that is cut short may look as if it had ended: its size tells. */
async function keep({ headers, body }: FileAnswer, known: number | null): Promise<WholeFile> {
  const named = headers['content-length'];
  const size = known ?? (named === undefined ? null : Number(named));
  const handle = await openTemporaryFile('client-file').catch((error: unknown) => {
    body.destroy();
    throw error;
  });
  // Only now, and at once read: what breaks off before anybody reads comes out as it is.
  const stream = limitStream(body, LIMITS, failed);
  try {
    let written = 0;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      written += chunk.length;
      await handle.writeFile(chunk);
    }
    if (size !== null && written !== size) throw incomplete(written, size);
    return { handle, size: written };
  } catch (error) {
    stream.destroy();
    await handle.close();
    throw error;
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

async function wholeFile(handle: FileHandle): Promise<WholeFile> {
  const found = await handle.stat();
  if (found.isFile()) return { handle, size: found.size };
  await handle.close();
  throw gone('It is no file.');
}

function refusalOf(status: number): UpstreamError {
  if (status === 404) return gone('Telegram does not have the file any more.');
  return classifyRefusal({ error_code: status, description: `The file was answered with ${status}` });
}

function failed(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof StreamLimitError) return notNow(error.limit, 'Nothing came for 30 seconds.');
  const code = connectionCode(error);
  // The words of a system call name the path, and with it the token.
  return classifyFailure(Object.assign(new Error('The file could not be read'), { code }));
}

const incomplete = (bytes: number, size: number) =>
  notNow('file_incomplete', `The source ended after ${bytes} of ${size} bytes.`);

const notNow = (code: string, detail: string) => telegramError(code, { kind: 'not_sent', scope: 'message' }, detail);
const gone = (detail: string) => refusal('file_gone', detail);
