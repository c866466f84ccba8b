import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** The load balancer before the replicas: each connection goes to the next of them that takes it. */
export class Front {
  private targets: number[] = [];
  private turn = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => void this.join(socket));
  }

  static async open(): Promise<Front> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Front(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Origins of the replicas, from now on. */
  leadTo(origins: string[]): void {
    this.targets = origins.map((origin) => Number(new URL(origin).port));
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async join(near: Socket): Promise<void> {
    near.pause();
    near.on('error', () => near.destroy());
    const far = await this.reach();
    if (!far) {
      near.resetAndDestroy();
      return;
    }
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

  private async reach(): Promise<Socket | null> {
    for (let tries = this.targets.length; tries > 0; tries--) {
      const port = this.targets[this.turn++ % this.targets.length]!;
      const socket = connect(port, '127.0.0.1');
      const reached = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      if (reached) return socket;
    }
    return null;
  }
}
