import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * A way to a server on this machine that can be cut: between the program and PostgreSQL it stands for the network,
 * or for a server that goes away and comes back.
 */
export class TcpProxy {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private server: Server | undefined;
  private silent = false;
  /** Called with the next COMMIT that is forwarded; its answer is cut. */
  private commitCut: (() => void) | undefined;
  private readonly forgotten = new WeakSet<readonly [Socket, Socket]>();

  private constructor(
    private target: { host: string; port: number },
    /** Where clients connect, on 127.0.0.1; stays the same through cuts. */
    private port: number,
  ) {}

  /** Stands before the server of this connection string. */
  static async before(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new TcpProxy({ host: hostname, port: Number(port) }, 0);
    await proxy.restore();
    return proxy;
  }

  /** The same connection string, by way of the proxy. */
  through(url: string): string {
    const proxied = new URL(url);
    proxied.hostname = '127.0.0.1';
    proxied.port = String(this.port);
    return proxied.href;
  }

  /** Stands before another server from now on; connections to the old one are reset. */
  async leadTo(url: string): Promise<void> {
    await this.cut();
    const { hostname, port } = new URL(url);
    this.target = { host: hostname, port: Number(port) };
    await this.restore();
    // Until those who keep connections have noticed: a request into a dead one would be lost.
    await new Promise((resolve) => setTimeout(resolve, 200));
  }

  /** Resets every connection and refuses new ones, as when the server is stopped. */
  async cut(): Promise<void> {
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
    const { server } = this;
    this.server = undefined;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Says nothing any more, neither on old connections nor on new ones, as when a firewall drops the packets. */
  silence(): void {
    this.silent = true;
    for (const [client, server] of this.pairs) {
      client.unpipe(server).resume();
      server.unpipe(client).resume();
    }
  }

  /**
   * Loses its table of connections, as a router that was restarted or a computer that changed its network: those that
   * stand keep standing at either end, but nothing gets through them any more, not even their end. New ones work.
   */
  forget(): void {
    for (const pair of this.pairs) {
      this.forgotten.add(pair);
      const [client, server] = pair;
      client.unpipe(server).resume();
      server.unpipe(client).resume();
    }
  }

  /**
   * Forwards the next COMMIT to PostgreSQL and cuts its connection before the answer comes: whoever asked for it cannot
   * know what became of it. Resolves once that is done.
   */
  loseAnswerToCommit(): Promise<void> {
    return new Promise((resolve) => (this.commitCut = resolve));
  }

  /** Lets everything through again. Connections from before a silence are reset: what they lost is lost. */
  async restore(): Promise<void> {
    if (this.silent) for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
    this.silent = false;
    if (this.server) return;
    const server = createServer((client) => this.accept(client)).listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  stop(): Promise<void> {
    return this.cut();
  }

  private accept(client: Socket): void {
    const server = connect(this.target);
    const pair = [client, server] as const;
    this.pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      // A reset is what this proxy is for; the other side learns of it below.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (this.forgotten.has(pair) && !pair.every(({ destroyed }) => destroyed)) return;
        this.pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
    if (this.silent) {
      client.resume();
      return;
    }
    client.on('data', (data: Buffer) => {
      if (!this.commitCut || !data.includes('COMMIT\0')) return;
      const done = this.commitCut;
      this.commitCut = undefined;
      server.unpipe(client).resume();
      server.once('data', () => {
        for (const socket of pair) socket.resetAndDestroy();
        done();
      });
    });
    client.pipe(server);
    server.pipe(client);
  }
}
