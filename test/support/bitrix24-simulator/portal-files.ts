import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { htmlPage, parseForm, type Exchange, type Reply } from './http-exchange.js';
import { typeOfName } from './mime-types.js';
import { text } from './php-encoding.js';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];
const ENDLESS_CHUNK = Buffer.alloc(65_536, 'bitrix24');
const TRICKLES_PER_SECOND = 10;
const PAGE_PATH = '/bitrix/services/main/ajax.php';
const DOWNLOAD_PATH = '/rest/download.json';
const DOWNLOAD_MS = 3600_000;

/** A file in a chat. */
export interface MessageFile {
  id: number;
  name: string;
  type: 'image' | 'video' | 'audio' | 'file';
  mime: string;
  size: number;
  /** Of the content, hex. */
  sha256: string;
  /** Of images, when known. */
  width?: number;
  height?: number;
  /** Public short link, answers 301 to `downloadLink`. */
  link: string;
  /** Public signed link to the content. */
  downloadLink: string;
  /** What the messenger's own page links to: for people who are signed in. */
  pageLink: string;
  /** The address it came from, for a client's file. */
  source?: string;
  content: Buffer;
  /** True: deleted from the portal's disk; both links are dead. */
  removed: boolean;
}

export interface NewFile {
  name: string;
  mime: string;
  content: Buffer | string;
  width?: number;
  height?: number;
  source?: string;
}

/**
 * What a file's link does instead of serving the file: lead elsewhere, show a page for people (status and HTML), name
 * another type, never end, trickle, or break off after so many bytes of the promised length.
 */
export type FileFault =
  | { redirectTo: string }
  | { page: number }
  | { contentType: string }
  | { endless: true }
  | { bytesPerSecond: number }
  | { cutAfter: number };

/** One GET of a file's link. */
export interface FileRequest {
  at: number;
  fileId: number | null;
  via: 'link' | 'downloadLink' | 'pageLink' | 'rest';
  status: number;
  userAgent: string;
}

/** The portal's disk, as far as chats use it: every file has a public short link and a signed one that never expires. */
export class PortalFiles {
  readonly all = new Map<number, MessageFile>();
  readonly requests: FileRequest[] = [];
  /** Of every file that has none of its own. */
  fault: FileFault | null = null;
  private readonly faults = new Map<number, FileFault>();
  private readonly downloads = new Map<string, { file: MessageFile; until: number }>();
  private lastId = 320;

  constructor(
    private readonly origin: () => string,
    private readonly now: () => number,
  ) {}

  add({ name, mime, content, ...rest }: NewFile): MessageFile {
    const id = (this.lastId += 1);
    const sign = randomBytes(16).toString('hex');
    const short = createHash('sha1').update(`${id}${sign}`).digest('base64url').slice(0, 6);
    const bytes = Buffer.from(content);
    const type = kindOf(mime, name);
    const file: MessageFile = {
      ...rest,
      id,
      name,
      type,
      mime,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      link: `${this.origin()}/~${short}`,
      downloadLink: `${this.origin()}/pub/im.file.php?FILE_ID=${id}&SIGN=${sign}${type === 'image' ? '&img=y' : ''}`,
      pageLink: `${this.origin()}${PAGE_PATH}?action=disk.api.file.download&SITE_ID=s1&fileId=${id}`,
      content: bytes,
      removed: false,
    };
    this.all.set(id, file);
    return file;
  }

  /** The file with this id; throws when there is none. */
  get(id: number): MessageFile {
    const file = this.all.get(id);
    if (file === undefined) throw new Error(`There is no file ${id}.`);
    return file;
  }

  /** Deletes the file from the disk. */
  remove(file: MessageFile | number): void {
    this.get(typeof file === 'number' ? file : file.id).removed = true;
  }

  /** Lets one file's link misbehave; null: serve it again. */
  breakFile(file: MessageFile | number, fault: FileFault | null): void {
    const { id } = this.get(typeof file === 'number' ? file : file.id);
    if (fault === null) this.faults.delete(id);
    else this.faults.set(id, fault);
  }

  /** A link by `disk.file.get`; it lives for an hour, as the token in it does. */
  downloadUrl(file: MessageFile): string {
    const token = `disk|${randomBytes(16).toString('hex')}`;
    this.downloads.set(token, { file, until: this.now() + DOWNLOAD_MS });
    return `${this.origin()}${DOWNLOAD_PATH}?${String(new URLSearchParams({ token }))}`;
  }

  /** Answers `/~code`, `/pub/im.file.php`, the messenger's own links and those of REST; null for any other path. */
  answer(exchange: Exchange): Reply | null {
    if (exchange.path.startsWith('/~')) return this.shortLink(exchange);
    if (exchange.path === PAGE_PATH)
      return this.record(exchange, 'pageLink', undefined, htmlPage(200, 'Authorization'));
    if (exchange.path === DOWNLOAD_PATH) return this.restLink(exchange);
    return exchange.path === '/pub/im.file.php' ? this.signedLink(exchange) : null;
  }

  private shortLink(exchange: Exchange): Reply {
    const file = [...this.all.values()].find(({ link }) => new URL(link).pathname === exchange.path);
    const reply =
      file === undefined || file.removed
        ? htmlPage(404, 'Not Found')
        : { status: 301, headers: { Location: file.downloadLink } };
    return this.record(exchange, 'link', file, reply);
  }

  private restLink(exchange: Exchange): Reply {
    const download = this.downloads.get(text(parseForm(exchange.search)['token']));
    if (download === undefined || download.until < this.now()) return { status: 401 };
    return this.record(exchange, 'rest', download.file, this.serve(download.file));
  }

  private signedLink(exchange: Exchange): Reply {
    const query = parseForm(exchange.search);
    const file = this.all.get(Number(text(query['FILE_ID'])));
    const signed = file !== undefined && new URL(file.downloadLink).searchParams.get('SIGN') === text(query['SIGN']);
    const reply = file === undefined || signed ? this.serve(file) : refused('Wrong signature or file id');
    return this.record(exchange, 'downloadLink', file, reply);
  }

  private serve(file: MessageFile | undefined): Reply {
    if (file === undefined) return refused('Missing file');
    const fault = this.faults.get(file.id) ?? this.fault;
    if (fault !== null && 'page' in fault) return htmlPage(fault.page, 'The file has been deleted');
    if (file.removed) return refused('Missing file');
    if (fault !== null && 'redirectTo' in fault) return { status: 302, headers: { Location: fault.redirectTo } };
    const disposition = file.type === 'image' ? 'inline' : 'attachment';
    const headers = {
      'Content-Type': fault !== null && 'contentType' in fault ? fault.contentType : file.mime,
      'Content-Disposition': `${disposition}; filename="${encodeURIComponent(file.name)}"`,
    };
    if (fault === null || 'contentType' in fault) return { status: 200, headers, body: file.content };
    if ('endless' in fault) return { status: 200, headers, body: Readable.from(endless()) };
    const body = 'cutAfter' in fault ? cut(file.content, fault.cutAfter) : trickle(file.content, fault.bytesPerSecond);
    return { status: 200, headers: { ...headers, 'Content-Length': String(file.size) }, body: Readable.from(body) };
  }

  private record(exchange: Exchange, via: FileRequest['via'], file: MessageFile | undefined, reply: Reply): Reply {
    const userAgent = exchange.headers['user-agent'] ?? '';
    this.requests.push({ at: this.now(), fileId: file?.id ?? null, via, status: reply.status, userAgent });
    return reply;
  }
}

/** `177.78 KB`, as `CFile::FormatSize` writes it. */
export function formatSize(size: number): string {
  const power = size < 1024 ? 0 : Math.min(Math.floor(Math.log2(size) / 10), UNITS.length - 1);
  return `${Math.round((size / 1024 ** power) * 100) / 100} ${UNITS[power]}`;
}

function kindOf(mime: string, name: string): MessageFile['type'] {
  for (const type of [mime, typeOfName(name)]) {
    const [kind] = type.split('/', 1);
    if (kind === 'image' || kind === 'video' || kind === 'audio') return kind;
  }
  return 'file';
}

function refused(reason: string): Reply {
  return { status: 403, headers: { 'BX-File-Error': reason } };
}

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) {
    yield ENDLESS_CHUNK;
    // Lets everybody else in this process have a turn.
    await sleep(1);
  }
}

async function* trickle(content: Buffer, bytesPerSecond: number): AsyncGenerator<Buffer> {
  const step = Math.max(1, Math.floor(bytesPerSecond / TRICKLES_PER_SECOND));
  for (let at = 0; at < content.length; at += step) {
    yield content.subarray(at, at + step);
    await sleep((1000 * step) / bytesPerSecond);
  }
}

async function* cut(content: Buffer, after: number): AsyncGenerator<Buffer> {
  yield content.subarray(0, after);
  await sleep(10);
  throw new Error('The connection is cut here.');
}
