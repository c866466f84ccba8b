import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LoadOptions {
  /** Where the POSTs go; http only. */
  url: string;
  headers?: Record<string, string>;
  connections: number;
  /** The n-th body, from 0; JSON. */
  body: (n: number) => string;
  /**
   * Requests are due at this pace, whether those before were answered or not; one that has to wait for a connection
   * counts from when it was due. Without: as fast as they are answered.
   */
  perSecond?: number;
  /** Ends after so many requests … */
  requests?: number;
  /** … or after so many seconds. */
  seconds?: number;
  /** Requests of the first so many seconds are made and not counted. */
  warmUpSeconds?: number;
  /** Called once, when counting begins. */
  onCounting?: () => void;
}

export interface LoadResult {
  /** Requests that were answered 200 while it counted. */
  answered: number;
  /** How long it counted. */
  seconds: number;
  /** Milliseconds from writing a request to the end of its answer. */
  samples: number[];
}

/**
 * POSTs over connections that are kept alive, one request at a time on each, as Telegram does. Written on bare
 * sockets: on a small machine an HTTP client would use as much CPU as the server it measures.
 * Throws at the first answer that is not 200.
 */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const started = performance.now();
  const countsFrom = started + (options.warmUpSeconds ?? 0) * 1_000;
  const endsAt = countsFrom + (options.seconds ?? Infinity) * 1_000;
  const samples: number[] = [];
  let next = 0;
  let counting = false;

  const work = async (connection: Connection) => {
    while (next < (options.requests ?? Infinity)) {
      const n = next++;
      const due = options.perSecond === undefined ? null : started + (n * 1_000) / options.perSecond;
      const early = due === null ? 0 : due - performance.now();
      if (early > 0) await sleep(early);
      const begun = due === null || early > 0 ? performance.now() : due;
      if (performance.now() >= endsAt) return;
      if (!counting && begun >= countsFrom) {
        counting = true;
        options.onCounting?.();
      }
      const counted = counting;
      await connection.post(options.body(n));
      if (counted) samples.push(performance.now() - begun);
    }
  };
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => Connection.open(options.url, options.headers ?? {})),
  );
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  return { answered: samples.length, seconds: (performance.now() - countsFrom) / 1_000, samples };
}

class Connection {
  private received = '';
  private answered: { resolve: () => void; reject: (error: Error) => void } | null = null;

  private constructor(
    private readonly socket: Socket,
    private readonly head: string,
  ) {
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => this.read(chunk));
    socket.on('error', (error) => this.answered?.reject(error));
    socket.on('close', () => this.answered?.reject(new Error('The connection was closed before the answer')));
  }

  static async open(url: string, headers: Record<string, string>): Promise<Connection> {
    const { hostname, port, host, pathname, search } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const lines = [
      `POST ${pathname}${search} HTTP/1.1`,
      `Host: ${host}`,
      'Content-Type: application/json',
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    return new Connection(socket, lines.join('\r\n'));
  }

  post(body: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.answered = { resolve, reject };
      this.socket.write(`${this.head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  close(): void {
    this.answered = null;
    this.socket.destroy();
  }

  private read(chunk: string): void {
    this.received += chunk;
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.received.slice(0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.received.length < end + 4 + length) return;
    const answer = this.received;
    this.received = '';
    const { answered } = this;
    this.answered = null;
    if (answer.slice(9, 12) === '200') answered?.resolve();
    else answered?.reject(new Error(`Answered ${answer}`));
  }
}
