import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';

export interface ProxyCredentials {
  user: string;
  password: string;
}

/** What the proxies of this folder have in common: a port that stays, and a way to die and come back. */
abstract class LoopbackProxy {
  /** Where clients asked to be connected to, in their order. */
  readonly tunnels: string[] = [];
  private readonly sockets = new Set<Socket>();
  private server: Server | TcpServer | undefined;
  private port = 0;

  protected constructor(
    private readonly scheme: string,
    protected readonly credentials: ProxyCredentials | undefined,
  ) {}

  protected abstract serve(): Server | TcpServer;

  /** As TG_PROXY_URL wants it, credentials included. */
  get url(): string {
    const { user, password } = this.credentials ?? {};
    const login = user === undefined ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password ?? '')}@`;
    return `${this.scheme}://${login}127.0.0.1:${this.port}`;
  }

  /** As the program may name it. */
  get name(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  /** Resets every connection and refuses new ones. */
  async die(): Promise<void> {
    for (const socket of this.sockets) socket.resetAndDestroy();
    const { server } = this;
    this.server = undefined;
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** On the same port as before. */
  async live(): Promise<void> {
    if (this.server) return;
    const server = this.serve();
    server.on('connection', (socket: Socket) => this.keep(socket));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** Joins the client with where it wants to go; `established` says so to it. */
  protected join(client: Socket, host: string, port: number, established: () => void): void {
    this.tunnels.push(`${host}:${port}`);
    const far = connect(port, isKnownHere(host) ? '127.0.0.1' : host, () => {
      established();
      far.pipe(client).pipe(far);
    });
    this.keep(far);
    far.on('close', () => client.destroy());
    client.on('close', () => far.destroy());
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }
}

/** Names that no other name server resolves (RFC 6761, 6.2): whoever reaches them came by a proxy. */
const isKnownHere = (host: string) => host.endsWith('.test');

/** An HTTP proxy that knows CONNECT and nothing else. */
export class ConnectProxy extends LoopbackProxy {
  /** A status that it answers instead of connecting, such as 503. */
  refusal: number | null = null;

  static async start(credentials?: ProxyCredentials): Promise<ConnectProxy> {
    const proxy = new ConnectProxy('http', credentials);
    await proxy.live();
    return proxy;
  }

  protected serve(): Server {
    return createServer((_request, response) => response.writeHead(405).end()).on('connect', (request, client) => {
      const refusal = this.refusal ?? (this.admits(request.headers['proxy-authorization']) ? null : 407);
      if (refusal !== null) return client.end(`HTTP/1.1 ${refusal} No\r\nContent-Length: 0\r\n\r\n`);
      const { hostname, port } = new URL(`http://${request.url}`);
      this.join(client as Socket, hostname, Number(port), () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
    });
  }

  private admits(authorization: string | undefined): boolean {
    if (!this.credentials) return true;
    const { user, password } = this.credentials;
    return authorization === `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  }
}

const NO_LOGIN = 0;
const BY_PASSWORD = 2;

/** A SOCKS5 proxy (RFC 1928, 1929) that knows CONNECT and nothing else. */
export class SocksProxy extends LoopbackProxy {
  static async start(credentials?: ProxyCredentials): Promise<SocksProxy> {
    const proxy = new SocksProxy('socks5', credentials);
    await proxy.live();
    return proxy;
  }

  protected serve(): TcpServer {
    return createTcpServer((client) => void this.greet(client).catch(() => client.destroy()));
  }

  private async greet(client: Socket): Promise<void> {
    const read = (bytes: number) => readExactly(client, bytes);
    const [, methods] = await read(2);
    const offered = await read(methods!);
    const method = this.credentials ? BY_PASSWORD : NO_LOGIN;
    if (!offered.includes(method)) return void client.end(Buffer.from([5, 0xff]));
    client.write(Buffer.from([5, method]));
    if (this.credentials) {
      const user = (await read((await read(2))[1]!)).toString();
      const password = (await read((await read(1))[0]!)).toString();
      const admitted = user === this.credentials.user && password === this.credentials.password;
      client.write(Buffer.from([1, admitted ? 0 : 1]));
      if (!admitted) return void client.end();
    }
    const type = (await read(4))[3];
    const host = type === 1 ? (await read(4)).join('.') : (await read((await read(1))[0]!)).toString();
    const port = (await read(2)).readUInt16BE();
    this.join(client, host, port, () => client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])));
  }
}

async function readExactly(socket: Socket, bytes: number): Promise<Buffer> {
  if (bytes === 0) return Buffer.alloc(0);
  for (;;) {
    const chunk = socket.read(bytes) as Buffer | null;
    if (chunk) return chunk;
    if (socket.readableEnded || socket.destroyed) throw new Error('The client left');
    await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
}
