import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** First word of what ends a transaction and keeps it. */
const COMMITS = /^\s*(?:COMMIT|END)\b/i;
/** What changes rows; outside of a transaction it is one by itself. Locking (`FOR UPDATE`) is not meant. */
const CHANGES =
  /\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO)\b|(?<!FOR\s+|FOR\s+NO\s+KEY\s+)\bUPDATE\s+(?!SKIP|NOWAIT|OF)\w/i;
/** ReadyForQuery: the server has answered everything and says whether a transaction is open. */
const READY = 'Z';
const IDLE = 'I';
const TYPE_BYTES = 1;

/** How often a commit went through and nobody was told. */
export interface Cuts {
  /** COMMITs. */
  transactions: number;
  /** Statements that were transactions by themselves. */
  statements: number;
}

/**
 * A way to PostgreSQL that knows its protocol (postgresql.org/docs/current/protocol-message-formats.html) well enough to
 * see commits, and can lose the answer to some of them: the server has committed, the client's connection is reset.
 */
export class CommitProxy {
  readonly cuts: Cuts = { transactions: 0, statements: 0 };
  /** Commits that were seen, those whose answer was lost included. */
  commits = 0;
  private share = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: { host: string; port: number },
  ) {
    server.on('connection', (client) => this.join(client));
  }

  /** Stands before the server of this connection string, which must not ask for TLS. */
  static async before(url: string): Promise<CommitProxy> {
    const { hostname: host, port } = new URL(url);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CommitProxy(server, { host, port: Number(port) });
  }

  /** The same connection string, by way of the proxy. */
  through(url: string): string {
    const proxied = new URL(url);
    proxied.hostname = '127.0.0.1';
    proxied.port = String((this.server.address() as AddressInfo).port);
    return proxied.href;
  }

  /** From now on the answer to this share (0 to 1) of all commits is lost. */
  loseAnswers(share: number): void {
    this.share = share;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private join(client: Socket): void {
    const server = connect(this.target);
    const asked = new Statements();
    const answered = new Messages(false);
    let losing = false;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      // A reset is what this proxy is for; the other side learns of it below.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk) => {
      const commit = asked.read(chunk);
      if (commit) {
        this.commits++;
        if (Math.random() < this.share) {
          losing = true;
          this.cuts[commit]++;
        }
      }
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      const ready = answered.read(chunk).filter(({ type }) => type === READY);
      const last = ready.at(-1);
      if (last) asked.idle = last.body.toString('latin1') === IDLE;
      if (!losing) client.write(chunk);
      else if (last) client.resetAndDestroy();
    });
  }
}

interface Message {
  type: string;
  body: Buffer;
}

/** Cuts a stream of one direction into its messages. */
class Messages {
  private rest: Buffer = Buffer.alloc(0);

  /** @param untyped the first message has no type: a client's StartupMessage, SSLRequest or CancelRequest */
  constructor(private untyped: boolean) {}

  /** The messages that this chunk completes. */
  read(chunk: Buffer): Message[] {
    const messages: Message[] = [];
    this.rest = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    for (;;) {
      const head = this.untyped ? 0 : TYPE_BYTES;
      if (this.rest.length < head + 4) return messages;
      const end = head + this.rest.readUInt32BE(head);
      if (this.rest.length < end) return messages;
      const type = this.rest.toString('latin1', 0, head);
      messages.push({ type, body: this.rest.subarray(head + 4, end) });
      this.rest = this.rest.subarray(end);
      this.untyped = false;
    }
  }
}

/** What a client asks for on one connection. */
class Statements {
  /** No transaction is open. */
  idle = true;
  private readonly messages = new Messages(true);
  private readonly prepared = new Map<string, string>();
  /** Since the last time the server was asked to answer. */
  private texts: string[] = [];

  /** What of it is committed with this chunk, if anything is. */
  read(chunk: Buffer): keyof Cuts | null {
    let commit: keyof Cuts | null = null;
    for (const { type, body } of this.messages.read(chunk)) {
      if (type === 'Q') this.texts.push(textAt(body, 0));
      if (type === 'P') {
        const name = textAt(body, 0);
        this.prepared.set(name, textAt(body, Buffer.byteLength(name) + 1));
      }
      if (type === 'B') this.texts.push(this.prepared.get(textAt(body, Buffer.byteLength(textAt(body, 0)) + 1)) ?? '');
      if (type === 'Q' || type === 'S') commit = this.commitOf(this.texts.splice(0, Infinity)) ?? commit;
    }
    return commit;
  }

  private commitOf(texts: string[]): keyof Cuts | null {
    if (texts.some((text) => COMMITS.test(text))) return 'transactions';
    return this.idle && texts.some((text) => CHANGES.test(text)) ? 'statements' : null;
  }
}

/** A string of the protocol: it ends with a zero byte. */
function textAt(body: Buffer, from: number): string {
  return body.toString('utf8', from, body.indexOf(0, from));
}
