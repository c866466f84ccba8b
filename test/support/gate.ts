import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A port on loopback that leads to another one, and can be shut so that connections are refused. */
export class Gate {
  private readonly sockets = new Set<Socket>();
  private server: Server | null = null;
  private port = 0;

  private constructor(private targetPort: number) {}

  /** @param target origin such as `http://127.0.0.1:8081` */
  static async open(target: string): Promise<Gate> {
    const gate = new Gate(Number(new URL(target).port));
    await gate.reopen();
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** On the same port as before. */
  async reopen(): Promise<void> {
    this.server = createServer((socket) => this.join(socket)).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as { port: number }).port;
  }

  /** New connections go there. */
  leadTo(target: string): void {
    this.targetPort = Number(new URL(target).port);
  }

  /** Cuts what is connected; from now on connections are refused. */
  async shut(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = null;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private join(near: Socket): void {
    const far = connect(this.targetPort, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
